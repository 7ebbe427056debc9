import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { buildWorkspaceServer, installSeatTools } from '../../../../images/tools.ts';
import type { Output } from '../output.ts';
import { ROOT } from '../root.ts';
import { contentHash } from './content-hash.ts';
import { run } from './run.ts';
import { buildLines, isStamped, stamp, step } from './step.ts';

const WEB_SOURCES = [
  'apps/web',
  'packages/contract/package.json',
  'packages/contract/src',
  'package-lock.json',
];
const WEB_PRODUCT = join(ROOT, 'apps', 'web', 'dist', 'index.html');

/** After: the web app is built from its present source. Does nothing when it is. */
export async function buildWeb(output: Output, signal: AbortSignal): Promise<void> {
  const hash = await contentHash(ROOT, WEB_SOURCES);
  const built = await stat(WEB_PRODUCT).then(
    (found) => found.isFile(),
    () => false,
  );
  if (built && (await isStamped('web', hash))) return;
  await step(output, 'Building the web app', async () => {
    const vite = join(ROOT, 'node_modules', 'vite', 'bin', 'vite.js');
    await run(process.execPath, [vite, 'build'], { cwd: join(ROOT, 'apps', 'web'), signal });
    await stamp('web', hash);
  });
}

/** After: what every seat is made of is there: its tools from npm, and the bundled workspace server. */
export async function buildSeatPrograms(output: Output, signal: AbortSignal): Promise<void> {
  const steps = { signal, onProgress: buildLines(output) };
  await installSeatTools(steps);
  await buildWorkspaceServer(steps);
}
