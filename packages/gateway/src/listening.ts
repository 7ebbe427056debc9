import { once } from 'node:events';
import type { Server } from 'node:http';

/**
 * Listens, and gives the port, which is a free one where 0 is asked for. Throws with what to do where it
 * cannot; `program` is who says so: "The server".
 */
export async function listenAt(
  server: Server,
  place: { readonly host: string; readonly port: number; readonly program: string },
): Promise<number> {
  server.listen({ host: place.host, port: place.port });
  try {
    await once(server, 'listening');
  } catch (cause) {
    throw new Error(whyNot(cause as NodeJS.ErrnoException, place), { cause });
  }
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('The listener has no port.');
  return address.port;
}

function whyNot(
  { code, message }: NodeJS.ErrnoException,
  { host, port, program }: { readonly host: string; readonly port: number; readonly program: string },
): string {
  switch (code) {
    case 'EADDRINUSE':
      return `Port ${port} on ${host} is in use by another program. Stop that program, or choose another port with --port or PORT.`;
    case 'EACCES':
      return `Port ${port} is not for ordinary users. Choose a port of 1024 or more with --port or PORT.`;
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `This machine has no address ${host} to listen on. Set HOST to one that it has, such as 127.0.0.1 or 0.0.0.0.`;
    default:
      return `${program} cannot listen on ${host}, port ${port}: ${message}.`;
  }
}
