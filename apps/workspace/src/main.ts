import { chmodSync, unlinkSync } from 'node:fs';
import type { Server } from 'node:http';
import { prepareClaude } from './claude.ts';
import { type Listen, readConfig } from './config.ts';
import { createFilesServer } from './files/server.ts';
import { seatEnvironment } from './seat-environment.ts';
import { createTerminalServer } from './terminal/server.ts';
import { tmux } from './terminal/tmux.ts';

/** A socket file that a killed server left behind is in the way of the next one. */
function listen(server: Server, where: Listen): Promise<void> {
  if (where.kind === 'unix') {
    try {
      unlinkSync(where.path);
    } catch {
      // There is none.
    }
  }
  return new Promise((done, failed) => {
    server.once('error', failed);
    const listening = () => {
      if (where.kind === 'unix') chmodSync(where.path, 0o600);
      done();
    };
    if (where.kind === 'unix') server.listen(where.path, listening);
    else server.listen(where.port, where.host, listening);
  });
}

async function main(): Promise<void> {
  const env = await seatEnvironment(process.env, () => console.log('clarateach: waits for its seat'));
  const config = readConfig({ ...env, ...prepareClaude(env) });
  let ready = false;
  const terminal = createTerminalServer({
    multiplexer: tmux({ env: config.shellEnv, directory: config.directory, shellFiles: config.shellFiles }),
    env: config.shellEnv,
    directory: config.directory,
    isReady: () => ready,
  });
  const files = createFilesServer({ directory: config.directory });
  await Promise.all([
    listen(terminal.http, config.terminal),
    listen(files.http, config.files),
    terminal.warm(),
  ]);
  ready = true;

  const stop = () => {
    // What does not end by itself within the moment that a stopping seat has is cut off.
    setTimeout(() => process.exit(0), 3_000).unref();
    Promise.all([terminal.close(), files.close()]).then(() => process.exit(0));
  };
  process.once('SIGTERM', stop);
  process.once('SIGINT', stop);
}

main().catch((error: unknown) => {
  console.error(
    JSON.stringify({ level: 'fatal', message: error instanceof Error ? error.message : String(error) }),
  );
  process.exit(1);
});
