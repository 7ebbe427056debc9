import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { afterEach, describe, test } from 'node:test';
import Dockerode from 'dockerode';
import { pack } from 'tar-stream';
import { imageId, streamed } from './engine-stream.ts';
import { pruneWorkspaceImages } from './prune.ts';

const docker = new Dockerode({ socketPath: '/var/run/docker.sock' });
const reason = await docker.ping().then(
  () => undefined,
  (error: Error) => `no Docker engine (${error.message})`,
);
if (reason) console.log(`NOT RUN: images, pruning: ${reason}`);

describe('pruning seat images', { skip: reason ?? false }, () => {
  const { signal } = new AbortController();
  /** A repository of the test's own: the real one is other people's too. */
  const repository = `clarateach-test-prune-${randomBytes(4).toString('hex')}`;
  const containers: string[] = [];
  const made: string[] = [];

  afterEach(async () => {
    for (const id of containers.splice(0)) await docker.getContainer(id).remove({ force: true });
    for (const tag of made.splice(0)) {
      await docker
        .getImage(tag)
        .remove({ force: true })
        .catch(() => {});
    }
  });

  const make = async (tag: string, label = 'workspace'): Promise<string> => {
    const name = `${repository}:${tag}`;
    const context = pack();
    context.entry({ name: 'Dockerfile' }, 'FROM scratch\nCOPY content /content\nCMD ["/content"]\n');
    context.entry({ name: 'content' }, randomBytes(16).toString('hex'));
    context.finalize();
    const stream = await docker.buildImage(context as unknown as NodeJS.ReadableStream, {
      t: name,
      labels: { 'clarateach.image': label },
      rm: true,
      forcerm: true,
    });
    await streamed(docker, stream, () => {});
    made.push(name);
    return name;
  };
  const hash = () => randomBytes(6).toString('hex');
  /** The engine dates images by the second. */
  const olderThanTheRest = () => new Promise((resolve) => setTimeout(resolve, 1_100));
  const prune = (named: readonly string[] = []) =>
    pruneWorkspaceImages({ docker, repository, named, signal });

  test('the newest two stay, and older ones go by name', async () => {
    const oldest = await make(hash());
    const old = await make(hash());
    await olderThanTheRest();
    const kept = [await make(hash()), await make(hash())];
    assert.deepEqual([...(await prune())].sort(), [old, oldest].sort());
    for (const tag of [oldest, old]) assert.equal(await imageId(docker, tag, signal), undefined);
    for (const tag of kept) assert.notEqual(await imageId(docker, tag, signal), undefined);
    assert.deepEqual(await prune(), []);
  });

  test('what a container uses, a workshop names, is latest or was named by somebody stays', async () => {
    const used = await make(hash());
    const named = await make(hash());
    const namedById = await make(hash());
    const latest = await make(hash());
    await docker.getImage(latest).tag({ repo: repository, tag: 'latest' });
    made.push(`${repository}:latest`);
    const chosen = await make('spring-course');
    const foreign = await make(hash(), 'something-else');
    const unused = await make(hash());
    await olderThanTheRest();
    await make(hash());
    await make(hash());
    containers.push((await docker.createContainer({ Image: used })).id);
    const id = await imageId(docker, namedById, signal);
    assert.ok(id);
    assert.deepEqual(await prune([named, id, 'no-such-image:1']), [unused]);
    for (const tag of [used, named, namedById, latest, chosen, foreign])
      assert.notEqual(await imageId(docker, tag, signal), undefined, tag);
  });
});
