import { execFile } from 'node:child_process';
import { constants } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import { release } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ProviderError } from '../../provider.ts';
import { type AskOptions, askFirecracker, type FirecrackerRequest } from './firecracker-api.ts';
import type { GuestFiles } from './jail.ts';
import { processorIdentity } from './processor.ts';
import { runProgram } from './run-program.ts';
import type { SavedGuest } from './vmm.ts';

/** The guest's one network device. */
export const NETWORK_DEVICE = 'eth0';
/** What a guest that is saved becomes, where its Firecracker writes it. */
const SAVED: SavedGuest = { memory: 'saved-memory', state: 'saved-state' };
/** All of the guest's memory is written, on a disk that others use, too. */
const SAVE_MS = 120_000;
/** In the VM's directory, out of the VMM's reach: what is written to it, the guest reads on its console. */
const CONSOLE_INPUT = 'console.in';

/** What a program says of itself, such as `v1.16.1`; undefined for one that says nothing of the kind. */
export async function firecrackerVersion(program: string): Promise<string | undefined> {
  const { stdout } = await promisify(execFile)(program, ['--version'], { timeout: 5_000 }).catch(() => ({
    stdout: '',
  }));
  return /^Firecracker (v\d+\.\d+\.\S+)/m.exec(stdout)?.[1];
}

/**
 * A saved guest is of this Firecracker, of a processor and a kernel's KVM that can do the same, and
 * names its disks as they are named with a jail, or without.
 */
export async function firecrackerDependsOn(version: string | undefined, jailed: boolean): Promise<string> {
  return `Firecracker ${version} ${jailed ? 'jailed' : 'by descriptor'} ${release()} ${await processorIdentity()}`;
}

/**
 * The one request that makes a copy: Firecracker takes nothing before it, and knows all else from the
 * guest. Dirty pages are not tracked unless it is asked for, by names that releases have changed.
 */
export function copyRequest({ memory, state }: SavedGuest): FirecrackerRequest {
  return {
    method: 'PUT',
    path: '/snapshot/load',
    body: {
      snapshot_path: state,
      // Mapped privately: pages that nobody has written to are those of the file, once for all copies.
      mem_backend: { backend_type: 'File', backend_path: memory },
      // It goes on to wait for the word on its console.
      resume_vm: true,
    },
  };
}

/** Brings a guest to rest and writes it to files, in this order; paths as its Firecracker sees them. */
export function saveRequests({ memory, state }: SavedGuest): FirecrackerRequest[] {
  return [
    { method: 'PATCH', path: '/vm', body: { state: 'Paused' } },
    {
      method: 'PUT',
      path: '/snapshot/create',
      body: { snapshot_type: 'Full', snapshot_path: state, mem_file_path: memory },
    },
  ];
}

/** Makes a copy. Whatever keeps Firecracker from it, the guest can be booted: so it is `unreachable`. */
export async function loadCopy(
  socket: string,
  { files, signal }: { files: GuestFiles; signal: AbortSignal },
): Promise<void> {
  if (files.saved === undefined) return;
  try {
    await askFirecracker(socket, copyRequest(files.saved), { signal });
  } catch (cause) {
    signal.throwIfAborted();
    throw new ProviderError('unreachable', (cause as Error).message, { cause });
  }
}

/**
 * After: both files of the guest are in `into`, and its VM has ended; where that fails, neither is there.
 * `place` is the directory that its Firecracker writes to, on the host and as itself sees it.
 */
export async function saveGuest(
  socket: string,
  into: SavedGuest,
  options: {
    readonly place: { readonly outside: string; readonly inside: string };
    readonly end: () => Promise<void>;
    readonly signal: AbortSignal;
  },
): Promise<void> {
  const { place, end, signal } = options;
  const at = (directory: string): SavedGuest => ({
    memory: join(directory, SAVED.memory),
    state: join(directory, SAVED.state),
  });
  const ask: AskOptions = { withinMs: SAVE_MS, signal };
  const written = at(place.outside);
  try {
    for (const request of saveRequests(at(place.inside))) await askFirecracker(socket, request, ask);
    // It is paused, and never goes on: what was saved is what its copies are to be.
    await end();
    await rename(written.memory, into.memory);
    await rename(written.state, into.state);
  } catch (error) {
    await end();
    for (const file of [written.memory, written.state, into.memory, into.state]) {
      await rm(file, { recursive: true, force: true });
    }
    throw error;
  }
}

/** Makes the pipe that leads to the console of a guest that is, or becomes, a saved one. */
export async function makeConsoleInput(directory: string): Promise<string> {
  const path = join(directory, CONSOLE_INPUT);
  await rm(path, { force: true });
  await runProgram('mkfifo', ['-m', '600', path]);
  return path;
}

/** Writes to the guest's console. A VM that is not there has nothing to be told. */
export async function sayOnConsole(directory: string, words: string): Promise<void> {
  const flags = constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW;
  const pipe = await open(join(directory, CONSOLE_INPUT), flags).catch((error: NodeJS.ErrnoException) => {
    // ENXIO: nobody reads from it.
    if (error.code === 'ENOENT' || error.code === 'ENXIO') return undefined;
    throw error;
  });
  if (!pipe) return;
  try {
    await pipe.write(words);
  } finally {
    await pipe.close();
  }
}
