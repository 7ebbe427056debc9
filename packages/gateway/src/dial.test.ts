import assert from 'node:assert/strict';
import { once } from 'node:events';
import { linkSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { FILES_PORT } from '@clarateach/contract/seat-server';
import { dialPort, type SeatFault } from './dial.ts';

const place = mkdtempSync(join(tmpdir(), 'clarateach-dial-'));
const own = join(place, 'own');
const others = join(place, 'others');
const servers: Server[] = [];
let reachedOther = 0;

async function listen(directory: string, onConnection: () => void): Promise<void> {
  mkdirSync(directory);
  const server = createServer((socket) => {
    onConnection();
    socket.on('error', () => {});
    socket.end();
  }).listen(join(directory, `${FILES_PORT}.sock`));
  servers.push(server);
  await once(server, 'listening');
}

before(async () => {
  await listen(own, () => {});
  await listen(others, () => reachedOther++);
});
after(async () => {
  for (const server of servers) server.close();
  rmSync(place, { recursive: true });
});

function dial(directory: string): Promise<SeatFault | undefined> {
  return new Promise((resolve) => {
    const socket = dialPort({ kind: 'unix', directory }, FILES_PORT, { connectTimeoutMs: 1000 })((fault) => {
      socket.destroy();
      resolve(fault);
    });
    socket.on('error', () => {});
  });
}

test('a seat is reached through its own socket', async () => {
  assert.equal(await dial(own), undefined);
});

test('a link or a file in place of a seat’s socket is refused', async () => {
  const directory = join(place, 'linked');
  mkdirSync(directory);
  symlinkSync(join(others, `${FILES_PORT}.sock`), join(directory, `${FILES_PORT}.sock`));
  assert.equal((await dial(directory))?.kind, 'unreachable');
  assert.equal((await dial(place))?.kind, 'unreachable');
  assert.equal(reachedOther, 0);
});

test('a socket that is swapped for a link at the moment of the connection leads to nobody else', async () => {
  const directory = join(place, 'swapped');
  mkdirSync(directory);
  const path = join(directory, `${FILES_PORT}.sock`);
  const [socket, link] = [`${path}.socket`, `${path}.link`];
  linkSync(join(own, `${FILES_PORT}.sock`), socket);
  symlinkSync(join(others, `${FILES_PORT}.sock`), link);
  const swapping = new Worker(
    `const { linkSync, renameSync, symlinkSync } = require('node:fs');
     const { workerData: { path, own, others } } = require('node:worker_threads');
     for (;;) {
       linkSync(own, path + '.a'); renameSync(path + '.a', path);
       symlinkSync(others, path + '.b'); renameSync(path + '.b', path);
     }`,
    { eval: true, workerData: { path, own: socket, others: join(others, `${FILES_PORT}.sock`) } },
  );
  await once(swapping, 'online');
  let reached = 0;
  for (let index = 0; index < 3000; index++) if ((await dial(directory)) === undefined) reached++;
  await swapping.terminate();
  assert.ok(reached > 0, 'the socket was there at times');
  assert.equal(reachedOther, 0);
});
