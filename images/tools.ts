import { access, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ImageBuildError } from './image-build-error.ts';
import { runCommand } from './run-command.ts';

const IMAGES = import.meta.dirname;
export const ROOT = join(IMAGES, '..');
/** Node.js, npm and claude, as npm installs them for this machine's platform. */
export const TOOLS_DIR = join(IMAGES, 'workspace', 'tools');
/** The bundled workspace server: `server.cjs` and the files of its PTY. */
export const WORKSPACE_DIST = join(ROOT, 'apps', 'workspace', 'dist');

interface StepOptions {
  readonly signal: AbortSignal;
  readonly onProgress: (line: string) => void;
}

/** After: the tools of a seat are installed beside their lock file. Does nothing when they are. */
export async function installSeatTools(options: StepOptions): Promise<void> {
  if (await toolsAreInstalled()) return;
  options.onProgress('Installing the tools of a seat: Node.js, npm and claude (about 250 MB to download)');
  try {
    await runCommand('npm', ['ci', '--no-audit', '--no-fund', '--no-progress'], {
      cwd: TOOLS_DIR,
      signal: options.signal,
      onLine: options.onProgress,
    });
  } catch (error) {
    options.signal.throwIfAborted();
    throw new ImageBuildError(
      (error as NodeJS.ErrnoException).code === 'ENOENT'
        ? 'The tools of a seat are installed with npm, and npm is not there. Install Node.js with npm, then try again.'
        : `The tools of a seat could not be installed: ${(error as Error).message}. Check that the npm registry can be reached and that the disk has 1 GB free, then try again.`,
      { cause: error },
    );
  }
}

/** After: the workspace server is bundled from its present source. */
export async function buildWorkspaceServer(options: StepOptions): Promise<void> {
  try {
    await runCommand(process.execPath, ['apps/workspace/build.ts'], {
      cwd: ROOT,
      signal: options.signal,
      onLine: () => {},
    });
  } catch (error) {
    options.signal.throwIfAborted();
    throw new ImageBuildError(`The workspace server could not be bundled: ${(error as Error).message}.`, {
      cause: error,
    });
  }
}

/** An interrupted or outdated installation shows as a version that differs from the one asked for. */
async function toolsAreInstalled(): Promise<boolean> {
  const wanted = JSON.parse(await readFile(join(TOOLS_DIR, 'package.json'), 'utf8')) as {
    dependencies: Record<string, string>;
  };
  try {
    // npm writes this file last.
    await access(join(TOOLS_DIR, 'node_modules', '.package-lock.json'));
    for (const [name, version] of Object.entries(wanted.dependencies)) {
      const file = join(TOOLS_DIR, 'node_modules', name, 'package.json');
      const installed = JSON.parse(await readFile(file, 'utf8')) as { version: string };
      if (installed.version !== version) return false;
    }
    return true;
  } catch {
    return false;
  }
}
