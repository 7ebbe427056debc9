import { readFileSync } from 'node:fs';
import { release } from 'node:os';

/** Since 5.14 the kernel counts processes for each user namespace; before, a seat's limit would count all of the user's. */
export function perSandboxProcessLimits(): boolean {
  const [major = 0, minor = 0] = release().split('.').map(Number);
  return major > 5 || (major === 5 && minor >= 14);
}

export function hardOpenFilesLimit(): number {
  const line = /^Max open files\s+\S+\s+(\S+)/m.exec(readFileSync('/proc/self/limits', 'utf8'));
  const limit = Number(line?.[1]);
  return Number.isFinite(limit) ? limit : 1024 * 1024;
}
