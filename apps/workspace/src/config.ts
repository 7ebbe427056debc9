import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { FILES_PORT, TERMINAL_PORT } from '@clarateach/contract/seat-server';

export type Listen =
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }
  | { readonly kind: 'unix'; readonly path: string };

export interface WorkspaceConfig {
  /** The learner's files; shells start here. */
  readonly directory: string;
  readonly terminal: Listen;
  readonly files: Listen;
  /** Environment of the learner's shell. */
  readonly shellEnv: Readonly<Record<string, string>>;
  /** Directory with tmux.conf and bashrc. */
  readonly shellFiles: string;
}

/** Variables of the workspace server itself, and those of an enclosing tmux or npm, which a learner's shell does not get. */
const INTERNAL =
  /^(SEAT_SETTINGS|SOCKET_DIR|NODE_OPTIONS|NODE_COMPILE_CACHE|TMUX|TMUX_PANE|npm_.*|INIT_CWD|OLDPWD|_)$/;

/** The only reader of the environment. Throws with a line that names the variable. */
export function readConfig(env: NodeJS.ProcessEnv): WorkspaceConfig {
  const directory = env.WORKSPACE_DIR ?? '/workspace';
  if (!directory.startsWith('/')) throw new Error(`WORKSPACE_DIR is '${directory}': give an absolute path.`);
  if (!existsSync(directory)) throw new Error(`WORKSPACE_DIR is '${directory}', which does not exist.`);
  const sockets = env.SOCKET_DIR;
  if (sockets !== undefined && !existsSync(sockets)) {
    throw new Error(`SOCKET_DIR is '${sockets}', which does not exist.`);
  }
  const listen = (port: number): Listen =>
    sockets === undefined
      ? { kind: 'tcp', host: '0.0.0.0', port }
      : { kind: 'unix', path: join(sockets, `${port}.sock`) };
  return {
    directory,
    terminal: listen(TERMINAL_PORT),
    files: listen(FILES_PORT),
    shellEnv: shellEnv(env, directory),
    shellFiles: shellFiles(),
  };
}

function shellEnv(env: NodeJS.ProcessEnv, directory: string): Record<string, string> {
  const inherited: Record<string, string> = {};
  for (const [name, value] of Object.entries(env)) {
    if (value !== undefined && !INTERNAL.test(name)) inherited[name] = value;
  }
  return {
    ...inherited,
    PATH: withTools(env.PATH ?? '/usr/local/bin:/usr/bin:/bin'),
    HOME: env.HOME ?? homedir(),
    SHELL: '/bin/bash',
    LANG: env.LANG ?? 'C.UTF-8',
    TERM: 'xterm-256color',
    COLORTERM: 'truecolor',
    PWD: directory,
  };
}

/** Where a seat has the tools that come from npm: node, npm, claude. */
const TOOLS = '/opt/clarateach/tools/node_modules/.bin';

function withTools(path: string): string {
  if (!existsSync(TOOLS)) return path;
  return [TOOLS, ...path.split(':').filter((entry) => entry !== TOOLS)].join(':');
}

/** Beside the bundle, or one above the sources. */
function shellFiles(): string {
  const here = import.meta.dirname;
  return existsSync(join(here, 'tmux.conf')) ? here : join(here, '..');
}
