import { execFile } from 'node:child_process';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** The socket name of the seat's tmux server, and its one session. */
const SOCKET = 'clarateach';
const SESSION = 'main';
/**
 * More than a PTY can bring in a millisecond. A workspace server that finds a session older than itself
 * numbers its output from age × this, a number that no byte of an earlier server can have reached.
 */
const BYTES_PER_MS = 65_536;

/** What runs on the PTY, and what is asked of it beside the PTY. */
export interface Multiplexer {
  /** Attaches to the session, making it when it is missing. */
  readonly command: { readonly file: string; readonly args: readonly string[] };
  /** The offset of the next output byte: 0 for a session that does not exist yet. */
  firstOffset(): Promise<number>;
  /** Draws everything anew, terminal modes included, as further output of the PTY. */
  redraw(): Promise<void>;
  /** Whether the session outlived its PTY: somebody detached it. */
  isAlive(): Promise<boolean>;
  /** How the last shell of the session ended. */
  exitCode(): number;
}

/** `env` and `directory` are the shell's; `shellFiles` holds tmux.conf and bashrc. */
export function tmux(options: {
  readonly env: Readonly<Record<string, string>>;
  readonly directory: string;
  readonly shellFiles: string;
}): Multiplexer {
  const { env, directory, shellFiles } = options;
  const base = ['-u', '-L', SOCKET, '-f', join(shellFiles, 'tmux.conf')];
  const shell = `exec bash --rcfile '${join(shellFiles, 'bashrc').replaceAll("'", "'\\''")}'`;
  const uid = process.getuid?.() ?? 0;
  const socketFile = join(env.TMUX_TMPDIR ?? '/tmp', `tmux-${uid}`, SOCKET);
  const exitFile = `${socketFile}.exit`;
  const ask = async (...args: string[]): Promise<string> => {
    const { stdout } = await run('tmux', [...base, '-N', ...args], { env: { ...env }, timeout: 5_000 });
    return stdout;
  };
  const isAlive = () =>
    ask('has-session', '-t', `=${SESSION}`).then(
      () => true,
      () => false,
    );
  return {
    command: {
      file: 'tmux',
      args: [
        ...base,
        ...['set-option', '-g', 'default-command', shell, ';'],
        ...['new-session', '-A', '-s', SESSION, '-c', directory],
      ],
    },
    async firstOffset() {
      // Asking costs a process, and a seat that starts has no tmux yet.
      if (existsSync(socketFile)) {
        try {
          const created = Number(
            await ask('display-message', '-p', '-t', `=${SESSION}:`, '#{session_created}'),
          );
          return Math.max(1, Date.now() + 1_000 - created * 1_000) * BYTES_PER_MS;
        } catch {
          // No session, or none that answers: one begins now.
        }
      }
      rmSync(exitFile, { force: true });
      return 0;
    },
    async redraw() {
      const clients = await ask('list-clients', '-t', `=${SESSION}`, '-F', '#{client_pid} #{client_name}');
      const name = clients
        .split('\n')
        .find((line) => line !== '')
        ?.split(' ')[1];
      if (name !== undefined) await ask('lock-client', '-t', name);
    },
    isAlive,
    exitCode() {
      try {
        return Number.parseInt(readFileSync(exitFile, 'utf8'), 10) || 0;
      } catch {
        return 0;
      }
    },
  };
}
