import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, statSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import { scratch } from '../terminal/test-viewer.ts';

const SIZE = 1024 ** 3;

test('an upload of 1 GB and its download take bounded memory', async () => {
  const directory = scratch();
  const socketPath = join(directory.path, 's');
  const program = `
    import { createFilesServer } from ${JSON.stringify(join(import.meta.dirname, 'server.ts'))};
    const server = createFilesServer({ directory: ${JSON.stringify(directory.path)} });
    server.http.listen(${JSON.stringify(socketPath)}, () => console.log('ready'));
  `;
  const child = spawn(process.execPath, ['--max-semi-space-size=1', '--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const memory = (field: string) =>
    Number(new RegExp(`${field}:\\s+(\\d+)`).exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))?.[1]) /
    1024;
  try {
    await once(child.stdout as Readable, 'data');
    const before = memory('VmRSS');
    const part = Buffer.alloc(256 * 1024, 'x');
    const body = Readable.from(
      (function* () {
        for (let sent = 0; sent < SIZE; sent += part.length) yield part;
      })(),
      { objectMode: false },
    );
    const status = await new Promise<number>((done, failed) => {
      const sent = request({ socketPath, method: 'PUT', path: '/files/content?path=big' }, (response) => {
        response.resume();
        done(response.statusCode ?? 0);
      });
      sent.on('error', failed);
      body.pipe(sent);
    });
    assert.equal(status, 201);
    assert.equal(statSync(join(directory.path, 'big')).size, SIZE);
    let received = 0;
    await new Promise<void>((done, failed) => {
      request({ socketPath, path: '/files/content?path=big' }, (response) => {
        response.on('data', (data: Buffer) => {
          received += data.length;
        });
        response.on('end', done);
      })
        .on('error', failed)
        .end();
    });
    assert.equal(received, SIZE);
    const grown = memory('VmHWM') - before;
    console.log(`1 GB up and down: +${grown.toFixed(1)} MB at most`);
    assert.ok(grown < 40, `${grown} MB`);
  } finally {
    const ended = once(child, 'exit');
    child.kill();
    await ended;
    directory.remove();
  }
});
