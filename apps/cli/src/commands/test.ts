import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { Command } from 'commander';
import { ROOT } from '../root.ts';

export function testCommand(): Command {
  return new Command('test')
    .description('run every test of this checkout, installing what they need')
    .argument('[pattern...]', 'only test files whose path holds one of these')
    .action(async (patterns: string[]) => {
      const runner = spawn(process.execPath, [join(ROOT, 'e2e', 'run-tests.ts'), ...patterns], {
        cwd: ROOT,
        stdio: 'inherit',
      });
      // A terminal's Ctrl-C reaches the runner by itself; a signal from elsewhere is passed on.
      process.on('SIGINT', () => undefined);
      process.on('SIGTERM', () => runner.kill('SIGTERM'));
      const [code] = (await once(runner, 'exit')) as [number | null];
      process.exitCode = code ?? 1;
    });
}
