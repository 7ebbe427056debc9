import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

/** A PostgreSQL server for all test files of a run. */
export interface RunPostgres {
  readonly url: string;
  close(): Promise<void>;
}

/** In a process of its own: the package that starts it takes over signals and exit codes where it is loaded. */
export async function startRunPostgres(): Promise<RunPostgres> {
  const program = join(import.meta.dirname, 'postgres-server.ts');
  // Detached: a Ctrl-C is for the tests first, which then end in order.
  const child = spawn(process.execPath, [program], { detached: true, stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = once(child, 'exit');
  const said = once(createInterface({ input: child.stdout }), 'line') as Promise<[string]>;
  const first = await Promise.race([said, ended.then(() => undefined)]);
  if (first === undefined) throw new Error('PostgreSQL for the tests did not start.');
  return {
    url: first[0],
    async close() {
      child.stdin.end();
      await ended;
    },
  };
}
