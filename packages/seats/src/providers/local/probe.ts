import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { type BubblewrapFeatures, bubblewrapFeatures, SYSTEM_PATH } from './sandbox.ts';

const execute = promisify(execFile);
const run = (program: string, args: readonly string[]) =>
  execute(program, args, { env: { PATH: SYSTEM_PATH }, timeout: 5_000 });

/** What this machine can do for `local` seats. */
export interface LocalProbe {
  readonly sandbox: 'bubblewrap' | 'none';
  /** For people: what to mind, or why there is no sandbox and how to get one. */
  readonly note: string;
  /** Programs that learners expect and this machine lacks; seats take them from the machine. */
  readonly missing: string[];
}

const PROGRAMS = ['bash', 'tmux', 'git', 'curl', 'python3', 'nano'];
/** Without these no seat starts at all. */
export const REQUIRED_PROGRAMS: readonly string[] = ['bash', 'tmux'];
/** Any uid that is nobody's will do to see whether an unprivileged user can make a sandbox. */
const TRIAL_UID = 64_000;

export const SANDBOX_NOTE =
  'Seats share this machine’s network and kernel; each has its own files and processes. For people you trust.';
const WARNING = 'NOT ISOLATED: seats run as ordinary programs of this machine’s user and can read its files.';

export async function probeLocal(): Promise<LocalProbe> {
  const missing = await missingPrograms();
  const trial = await tryBubblewrap();
  if (trial.works) return { sandbox: 'bubblewrap', note: SANDBOX_NOTE, missing };
  if (!trial.installed) missing.push('bwrap');
  return { sandbox: 'none', note: unsandboxedNote(trial.reason), missing };
}

export function unsandboxedNote(reason: string): string {
  return `${WARNING} ${reason}`;
}

export async function missingPrograms(): Promise<string[]> {
  const found = await Promise.all(PROGRAMS.map(isInstalled));
  return PROGRAMS.filter((_, index) => !found[index]);
}

export type BubblewrapTrial =
  | { readonly works: true; readonly features: BubblewrapFeatures }
  | { readonly works: false; readonly installed: boolean; readonly reason: string };

/** Makes a small sandbox as a seat's is made: only that shows what this kernel and this user may do. */
export async function tryBubblewrap(): Promise<BubblewrapTrial> {
  if (process.platform !== 'linux')
    return { works: false, installed: false, reason: 'Sandboxes need Linux with bubblewrap.' };
  const help = await run('bwrap', ['--help']).catch(() => undefined);
  if (!help)
    return {
      works: false,
      installed: false,
      reason: 'Install the package "bubblewrap" for a sandbox around each seat.',
    };
  const features = bubblewrapFeatures(`${help.stdout}${help.stderr}`);
  const sandbox = ['bwrap', '--unshare-user', '--unshare-pid', '--unshare-ipc', '--unshare-uts'];
  const mounts = ['--uid', '1000', '--ro-bind', '/', '/', '--proc', '/proc', '--dev', '/dev', 'true'];
  const drop = [
    'unshare',
    '--mount',
    'setpriv',
    `--reuid=${TRIAL_UID}`,
    `--regid=${TRIAL_UID}`,
    '--clear-groups',
  ];
  const [program = '', ...args] = [...(process.getuid?.() === 0 ? drop : []), ...sandbox, ...mounts];
  try {
    await run(program, args);
    return { works: true, features };
  } catch (error) {
    const said = `${(error as { stderr?: string }).stderr ?? ''}`.trim().split('\n').at(-1);
    const why = said ? ` (${said})` : '';
    return {
      works: false,
      installed: true,
      reason: `bubblewrap cannot make a sandbox here${why}: ${await howToAllow()}`,
    };
  }
}

async function howToAllow(): Promise<string> {
  const setting = 'kernel.apparmor_restrict_unprivileged_userns';
  const value = await readFile(`/proc/sys/${setting.replaceAll('.', '/')}`, 'utf8').catch(() => '0');
  if (value.trim() !== '1') return 'this kernel must allow unprivileged user namespaces.';
  return `AppArmor forbids it; "sudo sysctl ${setting}=0" allows it until the next boot.`;
}

async function isInstalled(program: string): Promise<boolean> {
  return run('/bin/sh', ['-c', 'command -v "$1"', 'sh', program]).then(
    () => true,
    () => false,
  );
}
