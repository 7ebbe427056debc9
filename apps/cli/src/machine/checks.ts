import { constants } from 'node:fs';
import { access, statfs } from 'node:fs/promises';
import { createServer } from 'node:net';
import { dirname } from 'node:path';
import { IMAGE_BASE_PROGRAMS, installCommand, LOCAL_SEAT_PROGRAMS, missingPrograms } from './packages.ts';
import { which } from './which.ts';

/** One thing that a machine has or lacks. */
export interface Check {
  readonly name: string;
  readonly ok: boolean;
  /** What was found. */
  readonly detail: string;
  /** What to do about it; empty when it is well. */
  readonly remedy: string;
}

const NEEDED_FREE_MIB = 2048;

export async function checkNode(): Promise<Check> {
  const major = Number(process.versions.node.split('.')[0]);
  return {
    name: 'node',
    ok: major >= 26,
    detail: `Node.js ${process.version}`,
    remedy: major >= 26 ? '' : 'Start ClaraTeach by ./clarateach, which brings the Node.js it needs.',
  };
}

export async function checkGit(): Promise<Check> {
  const git = await which('git');
  return {
    name: 'git',
    ok: git !== undefined,
    detail: git ?? 'not installed',
    remedy: git === undefined ? installCommand([{ program: 'git', package: 'git' }]) : '',
  };
}

export async function checkLocalPrograms(): Promise<Check> {
  const missing = await missingPrograms(LOCAL_SEAT_PROGRAMS);
  return {
    name: 'local seat programs',
    ok: missing.length === 0,
    detail:
      missing.length === 0
        ? LOCAL_SEAT_PROGRAMS.map((each) => each.program).join(', ')
        : `missing: ${missing.map((each) => each.program).join(', ')}`,
    remedy: missing.length === 0 ? '' : installCommand(missing),
  };
}

export async function checkImageBase(): Promise<Check> {
  const missing = await missingPrograms(IMAGE_BASE_PROGRAMS);
  const root = process.getuid?.() === 0;
  const ok = missing.length === 0 && root;
  return {
    name: 'debootstrap',
    ok,
    detail: missing.length > 0 ? 'not installed' : root ? 'installed' : 'installed, but it needs root',
    remedy: ok
      ? ''
      : `Needed only where no image registry can be reached: ${missing.length > 0 ? installCommand(missing) : 'build the image as root'}`,
  };
}

export async function checkDisk(directory: string): Promise<Check> {
  const { bavail, bsize } = await statfs(await existingParent(directory));
  const freeMiB = Math.floor((bavail * bsize) / 1024 / 1024);
  const ok = freeMiB >= NEEDED_FREE_MIB;
  return {
    name: 'disk space',
    ok,
    detail: `${(freeMiB / 1024).toFixed(1)} GiB free at ${directory}`,
    remedy: ok
      ? ''
      : `At least ${NEEDED_FREE_MIB / 1024} GiB should be free. Remove something, or choose another --data.`,
  };
}

export async function checkPort(port: number, host: string): Promise<Check> {
  const problem = await new Promise<string | undefined>((resolve) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    server.listen(port, host, () => server.close(() => resolve(undefined)));
  });
  return {
    name: `port ${port}`,
    ok: problem === undefined,
    detail:
      problem === undefined ? 'free' : problem === 'EADDRINUSE' ? 'in use' : `cannot be used (${problem})`,
    remedy: problem === undefined ? '' : 'Stop what uses it, or choose another with --port.',
  };
}

export async function checkKvm(): Promise<Check> {
  const problem = await access('/dev/kvm', constants.R_OK | constants.W_OK).then(
    () => undefined,
    (error: NodeJS.ErrnoException) => error.code ?? 'unknown',
  );
  return {
    name: 'kvm',
    ok: problem === undefined,
    detail:
      problem === undefined
        ? '/dev/kvm can be used'
        : problem === 'ENOENT'
          ? 'no /dev/kvm'
          : 'no permission for /dev/kvm',
    remedy:
      problem === undefined
        ? ''
        : problem === 'ENOENT'
          ? 'MicroVMs run without it, in software and several times slower.'
          : 'Run ClaraTeach as root, or microVMs run in software, several times slower.',
  };
}

async function existingParent(path: string): Promise<string> {
  const exists = await access(path).then(
    () => true,
    () => false,
  );
  return exists || dirname(path) === path ? path : existingParent(dirname(path));
}
