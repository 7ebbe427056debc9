import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import Dockerode from 'dockerode';
import { pack } from 'tar-stream';
import { buildWorkspaceImage } from './build.ts';
import { contextHash } from './build-context.ts';
import { imageId } from './engine-stream.ts';
import { ImageBuildError } from './image-build-error.ts';
import { buildWorkspaceServer } from './tools.ts';

const docker = new Dockerode({ socketPath: '/var/run/docker.sock' });
const signal = AbortSignal.timeout(600_000);
const quiet = { signal, onProgress: () => {} };
const reason = await docker.ping().then(
  () => undefined,
  (error: Error) => `no Docker engine (${error.message})`,
);
if (reason) console.log(`NOT RUN: images: ${reason}`);

test('the hash follows what goes into the image', async () => {
  await buildWorkspaceServer(quiet);
  const directory = await mkdtemp(join(tmpdir(), 'clarateach-ca-'));
  try {
    const certificate = join(directory, 'ca.pem');
    await writeFile(certificate, 'one');
    const plain = await contextHash(undefined, undefined);
    assert.match(plain, /^[0-9a-f]{12}$/);
    assert.equal(await contextHash(undefined, undefined), plain);
    const trusting = await contextHash(certificate, undefined);
    await writeFile(certificate, 'two');
    const hashes = [
      plain,
      trusting,
      await contextHash(certificate, undefined),
      await contextHash(undefined, 'debian:13'),
    ];
    assert.equal(new Set(hashes).size, 4);
  } finally {
    await rm(directory, { recursive: true });
  }
});

describe('building the seat image', { skip: reason ?? false }, () => {
  const suffix = randomBytes(4).toString('hex');
  const empty = `clarateach-test-base:${suffix}`;
  const dangling = async () =>
    (await docker.listImages({ all: true, filters: { dangling: ['true'] } })).map(({ Id }) => Id).sort();

  before(async () => {
    const archive = pack();
    archive.entry({ name: 'nothing' }, '');
    archive.finalize();
    const [repo, tag] = empty.split(':');
    const stream = await docker.importImage(archive as unknown as NodeJS.ReadableStream, { repo, tag });
    await new Promise((resolve) => docker.modem.followProgress(stream, resolve));
  });
  after(async () => {
    await docker.getImage(empty).remove();
  });

  test('an unchanged checkout is built once', async () => {
    const first = await buildWorkspaceImage({ docker, ...quiet });
    const again = await buildWorkspaceImage({ docker, ...quiet });
    assert.deepEqual(again, { ...first, built: false });
    assert.equal(await imageId(docker, 'clarateach-workspace:latest', signal), first.imageId);
  });

  test('a build that fails says where, and leaves no image and no container', async () => {
    const tag = `clarateach-test-image:${suffix}`;
    const [images, containers] = [await dangling(), await docker.listContainers({ all: true })];
    await assert.rejects(
      buildWorkspaceImage({ docker, base: empty, tag, ...quiet }),
      (error) =>
        error instanceof ImageBuildError && /Debian packages could not be installed/.test(error.message),
    );
    assert.equal(await imageId(docker, tag, signal), undefined);
    assert.deepEqual(await dangling(), images);
    const built = (await docker.listContainers({ all: true })).filter(
      ({ Id, Command }) => !containers.some((old) => old.Id === Id) && Command.includes('apt-get'),
    );
    assert.deepEqual(built, []);
  });

  test('an abort ends a build and leaves nothing', async () => {
    const tag = `clarateach-test-image:${suffix}`;
    const images = await dangling();
    const abort = new AbortController();
    const stopped = new Error('stopped');
    const building = buildWorkspaceImage({
      docker,
      base: empty,
      tag,
      signal: abort.signal,
      onProgress: (line) => {
        if (line.startsWith('Building')) abort.abort(stopped);
      },
    });
    await assert.rejects(building, (error) => error === stopped);
    assert.equal(await imageId(docker, tag, signal), undefined);
    assert.deepEqual(await dangling(), images);
  });

  test('a base that cannot be had is named', async () => {
    await assert.rejects(
      buildWorkspaceImage({
        docker,
        base: 'localhost:1/no-such-base:1',
        tag: `clarateach-test-image:${suffix}`,
        ...quiet,
      }),
      (error) => error instanceof ImageBuildError && /localhost:1\/no-such-base:1/.test(error.message),
    );
  });

  test('an engine that may not be used is told from one that is not there', async () => {
    const absent = new Dockerode({ socketPath: '/nonexistent/docker.sock' });
    await assert.rejects(
      buildWorkspaceImage({ docker: absent, ...quiet }),
      (error) => error instanceof ImageBuildError && /does not answer/.test(error.message),
    );
  });
});
