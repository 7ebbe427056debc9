import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { createGzip } from 'node:zlib';
import { pack } from 'tar-stream';
import { ImageBuildError } from '../image-build-error.ts';
import { installFirecracker, removeFirecracker } from './firecracker-release.ts';

const run = promisify(execFile);
const { signal } = new AbortController();

/** An archive as the publisher lays it out, with more in it than is wanted. */
async function release(version: string, says: string, names = ['firecracker', 'jailer']): Promise<Buffer> {
  const archive = pack();
  const folder = `release-${version}-x86_64`;
  for (const name of names) {
    archive.entry({ name: `${folder}/${name}-${version}-x86_64`, mode: 0o755 }, `#!/bin/sh\necho ${says}\n`);
  }
  archive.entry({ name: `${folder}/firecracker-${version}-x86_64.debug`, mode: 0o755 }, 'large');
  archive.entry({ name: '../../escaped' }, 'x');
  archive.entry({ name: `${folder}/LICENSE` }, 'Apache-2.0');
  archive.finalize();
  return buffer(archive.pipe(createGzip()));
}
const sum = (content: Buffer) => createHash('sha256').update(content).digest('hex');

describe('the release of Firecracker', () => {
  let directory: string;
  let server: Server;
  let origin: string;
  const served = new Map<string, Buffer>();
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'clarateach-release-'));
    server = createServer((request, response) => {
      const content = served.get(request.url ?? '');
      response.writeHead(content ? 200 : 404).end(content);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  after(async () => {
    server.close();
    await rm(directory, { recursive: true, force: true });
  });

  let number = 0;
  const fresh = () => join(directory, `images-${number++}`);
  const install = (imagesDirectory: string, changes: object) =>
    installFirecracker({ imagesDirectory, signal, onProgress: () => undefined, ...changes });
  const refused = (message: RegExp) => (error: unknown) =>
    error instanceof ImageBuildError && message.test(error.message);

  it('is fetched, checked, and installed as the two programs alone; the second time nothing is done', async () => {
    const images = fresh();
    const archive = await release('v1.16.1', 'one');
    served.set('/fc.tgz', archive);
    const from = { url: `${origin}/fc.tgz`, sha256: sum(archive) };
    const made = await install(images, from);
    const home = join(images, 'firecracker');
    assert.deepEqual(made, { state: 'installed', version: 'v1.16.1', directory: home });
    assert.equal((await run(join(home, 'firecracker'))).stdout, 'one\n');
    assert.equal((await stat(join(home, 'jailer'))).mode & 0o777, 0o755);
    assert.deepEqual(await readdir(home), ['firecracker', 'jailer', 'release.json']);
    served.delete('/fc.tgz');
    assert.equal((await install(images, from)).state, 'unchanged');
    assert.deepEqual(await readdir(images), ['firecracker']);
    assert.equal(await removeFirecracker(images), true);
    assert.equal(await removeFirecracker(images), false);
    assert.deepEqual(await readdir(images), []);
  });

  it('is for the users of VMs to run, whatever the umask, and becomes so where it was not', async () => {
    const images = fresh();
    const archive = await release('v1.16.1', 'one');
    const file = join(directory, 'umask.tgz');
    await writeFile(file, archive);
    const from = { archive: file, sha256: sum(archive) };
    const program = join(images, 'firecracker', 'firecracker');
    const umask = process.umask(0o077);
    try {
      await install(images, from);
      assert.equal((await stat(program)).mode & 0o777, 0o755);
      await chmod(program, 0o750);
      assert.equal((await install(images, from)).state, 'installed');
    } finally {
      process.umask(umask);
    }
    assert.equal((await stat(program)).mode & 0o777, 0o755);
    assert.equal((await install(images, from)).state, 'unchanged');
  });

  it('comes from a file where there is no network, and replaces another or a damaged one whole', async () => {
    const images = fresh();
    for (const [version, says] of [
      ['v1.15.0', 'old'],
      ['v1.16.1', 'new'],
    ] as const) {
      const archive = await release(version, says);
      const file = join(directory, `${version}.tgz`);
      await writeFile(file, archive);
      assert.equal((await install(images, { archive: file, sha256: sum(archive) })).state, 'installed');
      assert.equal((await run(join(images, 'firecracker', 'jailer'))).stdout, `${says}\n`);
      await writeFile(join(images, 'firecracker', 'jailer'), 'damaged');
      assert.equal((await install(images, { archive: file, sha256: sum(archive) })).state, 'installed');
      assert.equal((await run(join(images, 'firecracker', 'jailer'))).stdout, `${says}\n`);
    }
    assert.deepEqual(await readdir(images), ['firecracker']);
  });

  it('is refused with another checksum, or when it is no release, and what was there stays', async () => {
    const images = fresh();
    const archive = await release('v1.16.1', 'good');
    const file = join(directory, 'good.tgz');
    await writeFile(file, archive);
    await install(images, { archive: file, sha256: sum(archive) });
    const kept = await readFile(join(images, 'firecracker', 'release.json'), 'utf8');

    await assert.rejects(install(images, { archive: file }), refused(/is not the expected release/));
    await assert.rejects(install(images, { archive: file, sha256: 'abc' }), refused(/64 hexadecimal/));
    await assert.rejects(
      install(images, { archive: `${file}.none`, sha256: '0'.repeat(64) }),
      refused(/cannot be read/),
    );
    const bad = [Buffer.from('no archive'), await release('v1.16.1', 'half', ['firecracker'])];
    for (const content of bad) {
      await writeFile(file, content);
      await assert.rejects(
        install(images, { archive: file, sha256: sum(content) }),
        refused(/no archive that can be read|holds no release/),
      );
    }
    assert.equal(await readFile(join(images, 'firecracker', 'release.json'), 'utf8'), kept);
    assert.deepEqual(await readdir(images), ['firecracker']);
  });

  it('that cannot be reached is told with what to fetch, and is no error', async () => {
    const images = fresh();
    await mkdir(images);
    for (const url of [`${origin}/none.tgz`, 'http://127.0.0.1:1/fc.tgz']) {
      const made = await install(images, { url });
      assert.ok(made.state === 'missing');
      assert.ok(made.remedy.includes(url));
      assert.match(made.remedy, /--firecracker-archive FILE.*QEMU/);
    }
    assert.deepEqual(await readdir(images), []);
  });
});
