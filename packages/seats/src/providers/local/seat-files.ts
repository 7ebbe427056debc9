import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chown, lstat, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { parseSeatName, type SeatId, seatName } from '@clarateach/contract/ids';
import { LEARNER } from './sandbox.ts';

const run = promisify(execFile);

/** What a start of a seat leaves for whoever finds it later; written before anything runs. */
export interface LaunchRecord {
  readonly sandbox: 'bubblewrap' | 'none';
  readonly bootId: string;
  /** The host's uid that the seat runs under, when root started it. */
  readonly uid: number | null;
  readonly cgroups: readonly string[];
  readonly sockets: string;
  /** The program that the seat runs, by its directory. */
  readonly program: string;
}

/** What bubblewrap tells of itself. */
export interface SandboxStatus {
  /** The host's number of the sandbox's process 1. */
  readonly childPid?: number;
  readonly pidNamespace?: number;
  readonly exitCode?: number;
}

/** The longest path that a Unix socket can have on Linux. */
const MAX_SOCKET_PATH = 107;
/** Room below the socket directory for the longest name in it, that of an unsandboxed seat's tmux. */
const SOCKET_NAME_ROOM = 40;

/** The files of one seat: `workspace/` is the learner's, the rest is ours. */
export class SeatFiles {
  readonly directory: string;

  constructor(root: string, id: SeatId) {
    this.directory = join(root, seatName(id));
  }

  get workspace(): string {
    return join(this.directory, 'workspace');
  }
  get etc(): string {
    return join(this.directory, 'etc');
  }
  /** Written by the launched process: its line of `/proc/<pid>/stat`. */
  get note(): string {
    return join(this.directory, 'process');
  }
  /** While it exists, the process that is being launched may go on. */
  get permit(): string {
    return join(this.directory, 'may-start');
  }
  /** Written by bubblewrap, also when nobody watches any more. */
  get status(): string {
    return join(this.directory, 'status');
  }
  get log(): string {
    return join(this.directory, 'log');
  }
  private get recordFile(): string {
    return join(this.directory, 'launch.json');
  }

  async record(): Promise<LaunchRecord | undefined> {
    const text = await readFile(this.recordFile, 'utf8').catch(missing);
    try {
      return text === undefined ? undefined : (JSON.parse(text) as LaunchRecord);
    } catch {
      // Cut short by a machine that lost its power, and with it whatever ran.
      return undefined;
    }
  }

  async writeRecord(record: LaunchRecord): Promise<void> {
    // The seat's own user passes through to what it owns; others are stopped at the directory above.
    await mkdir(this.directory, { recursive: true, mode: 0o711 });
    const temporary = `${this.recordFile}.new`;
    await writeFile(temporary, JSON.stringify(record), { mode: 0o600 });
    await rename(temporary, this.recordFile);
  }

  async readStatus(): Promise<SandboxStatus> {
    const text = (await readFile(this.status, 'utf8').catch(missing)) ?? '';
    const number = (key: string): number | undefined => {
      const match = new RegExp(`"${key}": *(-?\\d+)`).exec(text);
      return match ? Number(match[1]) : undefined;
    };
    const childPid = number('child-pid');
    const pidNamespace = number('pid-namespace');
    const exitCode = number('exit-code');
    return {
      ...(childPid === undefined ? {} : { childPid }),
      ...(pidNamespace === undefined ? {} : { pidNamespace }),
      ...(exitCode === undefined ? {} : { exitCode }),
    };
  }

  async permitStart(): Promise<void> {
    await writeFile(this.permit, '');
  }

  /** After: a process that is not noted yet will not become a seat. */
  async forbidStart(): Promise<void> {
    await rm(this.permit, { force: true });
  }

  /** Makes what is missing of what the record names, owned by its uid where the learner writes. */
  async prepare(id: SeatId, { uid, sockets }: LaunchRecord): Promise<void> {
    const made = await mkdir(this.workspace, { recursive: true, mode: 0o755 });
    await mkdir(this.etc, { recursive: true });
    await this.writeEtc(id);
    await rm(sockets, { recursive: true, force: true });
    await mkdir(sockets, { mode: 0o700 });
    if (uid !== null) {
      await chown(sockets, uid, uid);
      if (made !== undefined) await chown(this.workspace, uid, uid);
      const { uid: owner } = await lstat(this.workspace);
      // Files that another run of the server left to another user; links are not followed.
      if (owner !== uid) await run('chown', ['-R', '-P', '-h', `${uid}:${uid}`, '--', this.workspace]);
    }
  }

  private async writeEtc(id: SeatId): Promise<void> {
    const learner = `learner:x:${LEARNER}:`;
    await writeFile(join(this.etc, 'passwd'), `${learner}${LEARNER}:Learner:/home/learner:/bin/bash\n`);
    await writeFile(join(this.etc, 'group'), `${learner}\n`);
    const hosts = (await readFile('/etc/hosts', 'utf8').catch(missing)) ?? '127.0.0.1 localhost\n';
    await writeFile(join(this.etc, 'hosts'), `${hosts.trimEnd()}\n127.0.1.1 ${hostname(id)}\n`);
  }

  /** A new place for sockets: among the seat's files, or in a short one when their path would be too long. */
  chooseSockets(): string {
    const usual = join(this.directory, 'sockets');
    if (Buffer.byteLength(usual) + SOCKET_NAME_ROOM <= MAX_SOCKET_PATH) return usual;
    return join(tmpdir(), `ct-${randomBytes(6).toString('hex')}`);
  }

  /** Forgets the last start; the workspace stays. */
  async forgetLaunch(): Promise<void> {
    const record = await this.record();
    if (record) await rm(record.sockets, { recursive: true, force: true });
    for (const file of [this.note, this.status]) await rm(file, { force: true });
    // Last, since it alone tells where the sockets are.
    await rm(this.recordFile, { force: true });
  }

  /** Nothing runs any more, so nobody can exchange a directory for a link while it is removed. */
  async remove(): Promise<void> {
    const remove = () => run('rm', ['-rf', '--one-file-system', '--', this.directory]);
    try {
      await remove();
    } catch {
      // A learner can make directories that not even their owner may list.
      await run('chmod', ['-R', 'u+rwx', '--', this.directory]).catch(() => undefined);
      await remove();
    }
  }

  /** The last line of the seat's log that is not empty. */
  async lastWords(): Promise<string> {
    const text = (await readFile(this.log, 'utf8').catch(missing)) ?? '';
    return text.slice(-4000).trimEnd().split('\n').at(-1)?.slice(0, 300) ?? '';
  }
}

export function hostname(id: SeatId): string {
  return `seat-${String(id.seat).padStart(2, '0')}`;
}

/** All seats that `root` holds anything of. */
export async function listSeats(root: string): Promise<SeatId[]> {
  const names = (await readdir(root).catch(missing)) ?? [];
  return names.map(parseSeatName).filter((id) => id !== undefined);
}

function missing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error;
}
