import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request } from 'node:http';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { createFilesServer } from '../files/server.ts';
import { scratch, until } from '../terminal/test-viewer.ts';

test("a seat's own ports are listed and reached through a tunnel, closed half by half", async (t) => {
  const directory = scratch();
  const socketPath = join(directory.path, 's');
  const server = createFilesServer({ directory: directory.path });
  server.http.listen(socketPath);
  await once(server.http, 'listening');
  t.after(async () => {
    await server.close();
    directory.remove();
  });
  const ports = () =>
    new Promise<number[]>((done) => {
      request({ socketPath, path: '/ports' }, (response) => {
        let text = '';
        response.on('data', (part) => {
          text += part;
        });
        response.on('end', () => done((JSON.parse(text) as { ports: number[] }).ports));
      }).end();
    });

  for (const host of ['127.0.0.1', '::1']) {
    // Answers only once the other end has finished sending.
    const target = createServer({ allowHalfOpen: true }, (socket) => {
      let all = '';
      socket.on('data', (part) => {
        all += part;
      });
      socket.on('end', () => socket.end(`got ${all.length}`));
    });
    target.listen(0, host);
    await once(target, 'listening');
    const { port } = target.address() as AddressInfo;
    assert.ok((await ports()).includes(port), host);

    const tunnel: Socket = connect({ path: socketPath, allowHalfOpen: true });
    let received = '';
    tunnel.on('data', (part) => {
      received += part;
    });
    tunnel.write(
      `GET /tunnel/${port} HTTP/1.1\r\nhost: x\r\nconnection: Upgrade\r\nupgrade: tcp\r\n\r\nearly`,
    );
    await until(() => received.includes('\r\n\r\n'), 'the answer');
    assert.match(received, /^HTTP\/1\.1 101 /);
    tunnel.end('x'.repeat(1_000_000));
    await until(() => received.endsWith('got 1000005'), 'an answer after the half-close');
    target.close();
    await once(target, 'close');
    assert.ok(!(await ports()).includes(port));

    const refused: Socket = connect({ path: socketPath });
    let answer = '';
    refused.on('data', (part) => {
      answer += part;
    });
    refused.write(`GET /tunnel/${port} HTTP/1.1\r\nhost: x\r\nconnection: Upgrade\r\nupgrade: tcp\r\n\r\n`);
    await once(refused, 'close');
    assert.match(answer, /^HTTP\/1\.1 404 [\s\S]*"code":"not_found"/);
  }
});
