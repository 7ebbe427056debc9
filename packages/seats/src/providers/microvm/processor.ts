import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';

/** Tells processors apart that cannot do the same, or do it otherwise: a saved guest goes on on its like alone. */
export async function processorIdentity(): Promise<string> {
  const cpuinfo = await readFile('/proc/cpuinfo', 'utf8');
  const processor = cpuinfo.split('\n').filter((line) => /^(model name|microcode|flags)\s*:/.test(line));
  return createHash('sha256')
    .update([...new Set(processor)].join('\n'))
    .digest('hex');
}
