import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, unlinkSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { SeatId } from '@clarateach/contract/ids';
import type { SeatSpec } from '../../provider.ts';
import { hardOpenFilesLimit, perSandboxProcessLimits } from './limits.ts';
import {
  type BubblewrapFeatures,
  droppedRoot,
  launchCommand,
  SANDBOX_SOCKETS,
  type SandboxSources,
  SYSTEM_PATH,
  sandboxArguments,
  sandboxCommand,
} from './sandbox.ts';
import { hostname, type LaunchRecord, type SeatFiles } from './seat-files.ts';
import { MARK } from './seat-process.ts';

/** Starts the processes of a seat whose files are prepared; they outlive this process. */
export type StartSeat = (spec: SeatSpec, files: SeatFiles, record: LaunchRecord) => ChildProcess;

export function seatStarter(deps: {
  /** The directory of the installed program. */
  readonly program: string;
  readonly tools: string;
  /** Undefined: seats run without a sandbox. */
  readonly features: BubblewrapFeatures | undefined;
  /** By what the processes of a seat without a sandbox are known. */
  readonly markOf: (id: SeatId) => string;
  /** Of a seat without a sandbox, which nobody else sees the end of. */
  readonly onExit: (id: SeatId, code: number) => void;
}): StartSeat {
  const { program, tools, features, markOf, onExit } = deps;
  const processLimit = perSandboxProcessLimits();
  const maxOpenFiles = hardOpenFilesLimit();

  function startSandboxed(
    spec: SeatSpec,
    files: SeatFiles,
    record: LaunchRecord,
    features: BubblewrapFeatures,
  ): ChildProcess {
    const own: SandboxSources = {
      seat: files.directory,
      sockets: record.sockets,
      tools,
      program,
    };
    const { sources, wrap } =
      record.uid === null ? { sources: own, wrap: same } : droppedRoot(record.uid, own);
    const env = {
      ...spec.env,
      SEAT: `${spec.id.seat}`,
      WORKSPACE_DIR: '/workspace',
      SOCKET_DIR: SANDBOX_SOCKETS,
    };
    const args = sandboxArguments({
      sources,
      hostname: hostname(spec.id),
      env: { ...env, PATH: SYSTEM_PATH },
      limits: spec.limits,
      features,
    });
    const inside = sandboxCommand(spec.limits, { processes: processLimit, maxOpenFiles });
    const bwrap = ['bwrap', '--args', '4', '--json-status-fd', '3', '--', ...inside];
    return withFiles(files, args, (stdio) => {
      const [command = '', ...rest] = launchCommand(
        { noteFile: files.note, permitFile: files.permit, cgroups: record.cgroups },
        wrap(bwrap),
      );
      return spawn(command, rest, { detached: true, cwd: '/', env: { PATH: SYSTEM_PATH }, stdio });
    });
  }

  function startPlain(spec: SeatSpec, files: SeatFiles, record: LaunchRecord): ChildProcess {
    const [command = '', ...rest] = launchCommand(
      { noteFile: files.note, permitFile: files.permit, cgroups: record.cgroups },
      [join(program, 'entrypoint.sh')],
    );
    const env = {
      ...spec.env,
      PATH: SYSTEM_PATH,
      SEAT: `${spec.id.seat}`,
      WORKSPACE_DIR: files.workspace,
      SOCKET_DIR: record.sockets,
      TMUX_TMPDIR: record.sockets,
      [MARK]: markOf(spec.id),
    };
    const child = withFiles(files, [], (stdio) =>
      spawn(command, rest, { detached: true, cwd: files.workspace, env, stdio: stdio.slice(0, 3) }),
    );
    child.once('exit', (code) => onExit(spec.id, code ?? 137));
    return child;
  }

  return (spec, files, record) =>
    features ? startSandboxed(spec, files, record, features) : startPlain(spec, files, record);
}

/** Open files for a start: log, bubblewrap's status, and its arguments, which nobody else can read. */
function withFiles(
  files: SeatFiles,
  args: readonly string[],
  begin: (stdio: ('ignore' | number)[]) => ChildProcess,
): ChildProcess {
  const open: number[] = [];
  try {
    const log = openSync(files.log, 'w', 0o600);
    open.push(log);
    const status = openSync(files.status, 'w', 0o600);
    open.push(status);
    const argsFile = join(files.directory, 'args');
    const argsFd = openSync(argsFile, 'w+', 0o600);
    open.push(argsFd);
    unlinkSync(argsFile);
    // At a position, so that the reader begins at the beginning.
    writeSync(argsFd, args.map((arg) => `${arg}\0`).join(''), 0);
    return begin(['ignore', log, log, status, argsFd]);
  } finally {
    for (const fd of open) closeSync(fd);
  }
}

function same(command: readonly string[]): string[] {
  return [...command];
}
