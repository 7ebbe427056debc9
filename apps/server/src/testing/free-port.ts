import { once } from 'node:events';
import { createServer } from 'node:net';

/** Below the ports that systems take for connections that they open, and above the last that browsers refuse. */
const LEAST = 11_000;
const MOST = 30_000;

/** A TCP port of the loopback interface that nobody listens on just now, nor takes by chance. */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < 50; tries += 1) {
    const port = LEAST + Math.floor(Math.random() * (MOST - LEAST));
    const server = createServer();
    try {
      await once(server.listen(port, '127.0.0.1'), 'listening');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') continue;
      throw error;
    }
    server.close();
    await once(server, 'close');
    return port;
  }
  throw new Error(`All ports that were tried from ${LEAST} to ${MOST} are in use.`);
}
