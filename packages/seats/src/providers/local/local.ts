import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { access, mkdir, realpath } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type SeatId, seatName } from '@clarateach/contract/ids';
import { type Observed, ProviderError, type SeatProvider, type SeatSpec } from '../../provider.ts';
import { makeCgroups, planCgroups, removeCgroups } from './cgroups.ts';
import { isHealthy } from './health.ts';
import { explained } from './machine-errors.ts';
import { missingPrograms, REQUIRED_PROGRAMS, SANDBOX_NOTE, tryBubblewrap, unsandboxedNote } from './probe.ts';
import { bootId, until } from './processes.ts';
import { installProgram, removeOldPrograms } from './program.ts';
import type { BubblewrapFeatures } from './sandbox.ts';
import { type LaunchRecord, listSeats, SeatFiles } from './seat-files.ts';
import { findProcesses, isRunning, killSeat } from './seat-process.ts';
import { seatStarter } from './seat-start.ts';
import { seatUsers } from './seat-users.ts';

export interface LocalOptions {
  /** Where seats keep their files; made when missing, private to this user. */
  readonly root: string;
  /** Holds `node_modules/.bin` with node, npm and claude. */
  readonly toolsDirectory: string;
  /** Holds the workspace server, `server.cjs`, and what belongs to it. */
  readonly workspaceBundle: string;
  /** Holds `entrypoint.sh` and `skel`; the directory above the tools when left out. */
  readonly programDirectory?: string;
  /** Found out by a trial when left out. */
  readonly sandbox?: 'bubblewrap' | 'none';
  /** How long a seat may take to answer whether it is well. */
  readonly healthTimeoutMs?: number;
}

/** The workspace server has a second to end by itself (entrypoint.sh), and then some. */
const STOP_GRACE_MS = 1_500;
const LAUNCH_DEADLINE_MS = 15_000;

/**
 * Seats as sandboxed process trees of this machine. All that is known of a seat lies in its
 * directory below `root`, so another provider over the same root finds the seats that run. Throws
 * {@link ProviderError} `rejected` when a part of the seats' program is missing.
 */
export async function localProvider(options: LocalOptions): Promise<SeatProvider> {
  const { healthTimeoutMs = 2_000 } = options;
  if (process.platform !== 'linux')
    throw new ProviderError('rejected', 'Local seats need Linux; on this machine use the docker runtime.');
  await mkdir(options.root, { recursive: true, mode: 0o700 });
  const root = await realpath(options.root);
  const program = await installed(root, options);
  const boot = await bootId();
  const { features, reason } = await findSandbox(options.sandbox);
  const sandbox = features ? 'bubblewrap' : 'none';
  const installation = installationName(root);
  const users = process.getuid?.() === 0 ? await seatUsers(root) : undefined;
  const lacking = await missingPrograms();
  /** Seats between their record and their first sign of life. */
  const launching = new Set<string>();
  /** Exit codes of seats without a sandbox that this process started. */
  const exits = new Map<string, number>();

  const markOf = (id: SeatId): string => `${installation}.${seatName(id)}`;

  const start = seatStarter({
    program,
    tools: options.toolsDirectory,
    features,
    markOf,
    onExit: (id, code) => exits.set(seatName(id), code),
  });

  async function clean(files: SeatFiles, record: LaunchRecord): Promise<void> {
    await removeCgroups(record.cgroups);
    await files.forgetLaunch();
  }

  async function end(id: SeatId, graceMs: number, signal: AbortSignal): Promise<void> {
    const files = new SeatFiles(root, id);
    const record = await files.record();
    if (!record) return;
    await files.forbidStart();
    await killSeat({ files, record, boot, mark: markOf(id), graceMs }, signal);
    await clean(files, record);
    exits.delete(seatName(id));
  }

  async function launch(spec: SeatSpec, signal: AbortSignal): Promise<void> {
    const files = new SeatFiles(root, spec.id);
    const uid = users && sandbox === 'bubblewrap' ? users.take(spec.id) : null;
    const cgroups = await planCgroups(`${seatName(spec.id)}-${installation}`);
    const record: LaunchRecord = {
      sandbox,
      bootId: boot,
      uid,
      cgroups: cgroups.map((place) => place.directory),
      sockets: files.chooseSockets(),
      program,
    };
    // Before anything is made, so that a server that is killed now leaves nothing that is not found.
    await files.writeRecord(record);
    await files.prepare(spec.id, record);
    await makeCgroups(cgroups, spec.limits);
    await files.permitStart();
    const child = start(spec, files, record);
    child.unref();
    const exited = new Promise<never>((_, reject) => {
      child.once('error', reject);
      child.once('exit', () => reject(new Error('it ended at once')));
    });
    exited.catch(() => undefined);
    const watch = new AbortController();
    const up = until(() => hasBegun(files, record), {
      withinMs: LAUNCH_DEADLINE_MS,
      signal: AbortSignal.any([signal, watch.signal]),
    });
    up.catch(() => undefined);
    try {
      if (!(await Promise.race([up, exited])))
        throw new Error(`nothing began in ${LAUNCH_DEADLINE_MS / 1000} s`);
    } catch (error) {
      // A seat that began and then ended is the observer's to report.
      if (await hasBegun(files, record).catch(() => false)) return signal.throwIfAborted();
      const words = await files.lastWords();
      await end(spec.id, 0, new AbortController().signal);
      await exited.catch(() => undefined);
      signal.throwIfAborted();
      throw new ProviderError(
        'unreachable',
        `The seat could not be started on this machine${words === '' ? '' : `: ${words}`}. Its files are safe.`,
        { cause: error },
      );
    } finally {
      watch.abort();
    }
  }

  async function hasBegun(files: SeatFiles, record: LaunchRecord): Promise<boolean> {
    if (record.sandbox === 'bubblewrap') return (await files.readStatus()).childPid !== undefined;
    return isRunning(await findProcesses(files, record, boot));
  }

  return {
    info: {
      name: 'local',
      isolation: 'process',
      note: features ? SANDBOX_NOTE : unsandboxedNote(reason),
    },

    ensure: (spec, signal) =>
      explained('start the seat', async () => {
        signal.throwIfAborted();
        const files = new SeatFiles(root, spec.id);
        const record = await files.record();
        if (record && isRunning(await findProcesses(files, record, boot))) return;
        check(spec, lacking);
        signal.throwIfAborted();
        launching.add(seatName(spec.id));
        try {
          // What an unsandboxed seat's entrypoint left behind, and the remains of the last start.
          await end(spec.id, 0, signal);
          await launch(spec, signal);
        } finally {
          launching.delete(seatName(spec.id));
        }
      }),

    stop: (id, signal) =>
      explained('stop the seat', async () => {
        signal.throwIfAborted();
        await end(id, STOP_GRACE_MS, signal);
      }),

    destroy: (id, signal) =>
      explained('remove the seat', async () => {
        signal.throwIfAborted();
        await end(id, 0, signal);
        await new SeatFiles(root, id).remove();
        users?.release(id);
      }),

    observe: (id, signal) =>
      explained('look at the seat', async (): Promise<Observed> => {
        signal.throwIfAborted();
        const files = new SeatFiles(root, id);
        const record = await files.record();
        if (!record) return launching.has(seatName(id)) ? { state: 'starting' } : { state: 'absent' };
        if (isRunning(await findProcesses(files, record, boot))) {
          const healthy = await isHealthy(record.sockets, healthTimeoutMs, signal);
          if (!healthy) return { state: 'starting' };
          return { state: 'running', endpoint: { kind: 'unix', directory: record.sockets } };
        }
        if (launching.has(seatName(id))) return { state: 'starting' };
        if (record.bootId !== boot) return { state: 'exited', code: -1, reason: 'the machine was restarted' };
        const code = (await files.readStatus()).exitCode ?? exits.get(seatName(id)) ?? 137;
        const words = await files.lastWords();
        return {
          state: 'exited',
          code,
          reason: code === 137 || words === '' ? 'its processes were ended' : words,
        };
      }),

    list: (signal) =>
      explained('list the seats', async () => {
        signal.throwIfAborted();
        return listSeats(root);
      }),

    async close() {},
  };
}

/** Tells the cgroups and processes of one root from another's. */
export function installationName(root: string): string {
  return createHash('sha256').update(root).digest('hex').slice(0, 8);
}

async function findSandbox(
  wanted: 'bubblewrap' | 'none' | undefined,
): Promise<{ features: BubblewrapFeatures | undefined; reason: string }> {
  if (wanted === 'none') return { features: undefined, reason: 'The sandbox is switched off.' };
  const trial = await tryBubblewrap();
  if (trial.works) return { features: trial.features, reason: '' };
  if (wanted === undefined) return { features: undefined, reason: trial.reason };
  throw new ProviderError('rejected', trial.reason);
}

function check(spec: SeatSpec, lacking: readonly string[]): void {
  const required = REQUIRED_PROGRAMS.filter((program) => lacking.includes(program));
  if (required.length > 0)
    throw new ProviderError(
      'rejected',
      `This machine lacks ${required.join(' and ')}; install it and start again.`,
    );
  for (const [name, value] of Object.entries(spec.env)) {
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name) || value.includes('\0'))
      throw new ProviderError(
        'rejected',
        `"${name}" cannot be given to a seat: it is no name of a variable.`,
      );
  }
}

async function installed(root: string, options: LocalOptions): Promise<string> {
  const sources = {
    program: options.programDirectory ?? dirname(options.toolsDirectory),
    bundle: options.workspaceBundle,
    tools: options.toolsDirectory,
  };
  for (const path of [
    join(sources.tools, 'node_modules/.bin/node'),
    join(sources.bundle, 'server.cjs'),
    join(sources.program, 'entrypoint.sh'),
  ]) {
    await access(path, constants.R_OK).catch((cause: unknown) => {
      throw new ProviderError('rejected', `${path} is missing: run ./clarateach up, which makes it.`, {
        cause,
      });
    });
  }
  const directory = await installProgram(root, sources);
  const records = await Promise.all((await listSeats(root)).map((id) => new SeatFiles(root, id).record()));
  await removeOldPrograms(root, new Set([directory, ...records.flatMap((record) => record?.program ?? [])]));
  return directory;
}
