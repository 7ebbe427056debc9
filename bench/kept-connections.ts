import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

const HEAD_END = Buffer.from('\r\n\r\n');

/**
 * Connections that are open before they are used, as those of browsers that have loaded the page. They
 * speak no more HTTP than a benchmark needs, so that what is measured is the server and not its client.
 */
export interface KeptConnections {
  /** Posts JSON over the connection of this number; throws unless the answer is a 200 with a length. */
  post<T>(connection: number, path: string, body: unknown): Promise<T>;
  close(): void;
}

export async function keepConnections(url: string, count: number): Promise<KeptConnections> {
  const { hostname, port, host } = new URL(url);
  const sockets = Array.from({ length: count }, () => connect({ host: hostname, port: Number(port) }));
  await Promise.all(sockets.map((socket) => once(socket, 'connect')));
  for (const socket of sockets) socket.setNoDelay(true);
  return {
    async post<T>(connection: number, path: string, body: unknown) {
      const socket = sockets[connection];
      if (!socket) throw new Error(`There is no connection ${connection}.`);
      const text = JSON.stringify(body);
      socket.write(
        `POST ${path} HTTP/1.1\r\nHost: ${host}\r\nContent-Type: application/json\r\n` +
          `Content-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`,
      );
      const { head, content } = await answer(socket);
      if (!head.startsWith('HTTP/1.1 200 ')) throw new Error(`${head.split('\r\n', 1)[0]} ${content}`);
      return JSON.parse(content) as T;
    },
    close() {
      for (const socket of sockets) socket.destroy();
    },
  };
}

function answer(socket: Socket): Promise<{ readonly head: string; readonly content: string }> {
  return new Promise((resolve, reject) => {
    let received = Buffer.alloc(0);
    const end = () => {
      socket.off('data', take).off('error', fail).off('close', fail);
    };
    const fail = (cause: unknown) => {
      end();
      reject(new Error('The connection ended before the answer.', { cause }));
    };
    const take = (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
      const at = received.indexOf(HEAD_END);
      if (at < 0) return;
      const head = received.toString('latin1', 0, at);
      const length = Number(/\r\ncontent-length: (\d+)/i.exec(head)?.[1]);
      const from = at + HEAD_END.length;
      if (received.length < from + length) return;
      end();
      if (Number.isNaN(length)) reject(new Error('The answer has no length.'));
      else resolve({ head, content: received.toString('utf8', from, from + length) });
    };
    socket.on('data', take).on('error', fail).on('close', fail);
  });
}
