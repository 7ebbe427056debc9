import { Command } from 'commander';
import type { Output } from '../output.ts';
import { terminationSignal } from '../signals.ts';

export function serverCommand(output: Output): Command {
  return new Command('server')
    .description(
      'run the server alone, set by its environment; builds nothing and leaves seats running at its end',
    )
    .action(async () => {
      const signal = terminationSignal();
      const { serve } = await import('../up/serve.ts');
      await serve(output, signal);
    });
}
