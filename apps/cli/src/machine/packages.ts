import { readdir } from 'node:fs/promises';
import type { Output } from '../output.ts';
import { run } from '../prepare/run.ts';
import { step } from '../prepare/step.ts';
import { which } from './which.ts';

/** A program, and the Debian or Ubuntu package that brings it. */
export interface SystemProgram {
  readonly program: string;
  readonly package: string;
}

/** What a `local` seat offers its learner and takes from the machine. */
export const LOCAL_SEAT_PROGRAMS: readonly SystemProgram[] = [
  { program: 'bwrap', package: 'bubblewrap' },
  { program: 'tmux', package: 'tmux' },
  { program: 'git', package: 'git' },
  { program: 'curl', package: 'curl' },
  { program: 'python3', package: 'python3' },
  { program: 'nano', package: 'nano' },
];

/** What makes a seat image's base where no registry can be reached. */
export const IMAGE_BASE_PROGRAMS: readonly SystemProgram[] = [
  { program: 'debootstrap', package: 'debootstrap' },
];

/** What runs microVM seats and makes their disks and network, where Firecracker and KVM are not to be had too. */
export const MICROVM_PROGRAMS: readonly SystemProgram[] = [
  { program: 'qemu-system-x86_64', package: 'qemu-system-x86' },
  { program: 'busybox', package: 'busybox-static' },
  { program: 'mke2fs', package: 'e2fsprogs' },
  { program: 'nft', package: 'nftables' },
  { program: 'ip', package: 'iproute2' },
  { program: 'setpriv', package: 'util-linux' },
];

export async function missingPrograms(wanted: readonly SystemProgram[]): Promise<readonly SystemProgram[]> {
  const found = await Promise.all(wanted.map((each) => which(each.program)));
  return wanted.filter((_, index) => found[index] === undefined);
}

export function installCommand(missing: readonly SystemProgram[]): string {
  const root = process.getuid?.() === 0;
  return `${root ? '' : 'sudo '}apt-get install -y ${missing.map((each) => each.package).join(' ')}`;
}

/** Root may install system packages; so may whoever says so by CLARATEACH_INSTALL=1. */
async function mayInstall(): Promise<boolean> {
  const allowed = process.getuid?.() === 0 || process.env.CLARATEACH_INSTALL === '1';
  return allowed && (await which('apt-get')) !== undefined;
}

/**
 * Installs what is missing of `wanted` when it may, and returns what is missing still. Never
 * throws for a package that cannot be had: the caller knows what can be done without it.
 */
export async function installPrograms(
  output: Output,
  wanted: readonly SystemProgram[],
  signal: AbortSignal,
): Promise<readonly SystemProgram[]> {
  const missing = await missingPrograms(wanted);
  if (missing.length === 0 || !(await mayInstall())) return missing;
  const packages = missing.map((each) => each.package);
  const elevate = process.getuid?.() === 0 ? [] : ['sudo', '-n'];
  const aptGet = (args: readonly string[]) => {
    const [program = 'apt-get', ...rest] = [...elevate, 'apt-get', ...args];
    return run(program, rest, { signal, env: { DEBIAN_FRONTEND: 'noninteractive' } });
  };
  try {
    await step(output, `Installing ${packages.join(', ')} (apt-get)`, async () => {
      if (!(await hasPackageLists())) await aptGet(['update', '-q']);
      const install = ['install', '-y', '-q', '--no-install-recommends', ...packages];
      // Lists that are out of date name packages that are no longer there.
      await aptGet(install).catch(async () => {
        signal.throwIfAborted();
        await aptGet(['update', '-q']);
        await aptGet(install);
      });
    });
  } catch (error) {
    signal.throwIfAborted();
    output.note(`  ${(error as Error).message}`);
  }
  return missingPrograms(wanted);
}

async function hasPackageLists(): Promise<boolean> {
  const names = await readdir('/var/lib/apt/lists').catch(() => []);
  return names.some((name) => name.endsWith('_Packages') || name.endsWith('.lz4'));
}
