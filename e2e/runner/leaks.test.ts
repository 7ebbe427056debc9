import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, describe, test } from 'node:test';
import Dockerode from 'dockerode';
import { installationsElsewhere } from './installations.ts';
import { dockerThings, findLeftBehind } from './leaks.ts';

const docker = new Dockerode({ socketPath: '/var/run/docker.sock' });
const reason = await docker.ping().then(
  () => undefined,
  (error: Error) => `no Docker engine (${error.message})`,
);
if (reason) console.log(`NOT RUN: leaks in the engine: ${reason}`);

describe('what a test run leaves in the engine', { skip: reason ?? false }, async () => {
  const directory = await mkdtemp(join(tmpdir(), 'clarateach-leaks-'));
  const volumes: string[] = [];
  const volume = async (installation: string) => {
    const Name = `clarateach-ws-${randomBytes(4).toString('hex')}-seat-01`;
    await docker.createVolume({ Name, Labels: { 'clarateach.installation': installation } });
    volumes.push(Name);
    return `volume ${Name}`;
  };
  /** A run whose processes are nobody, so that this very process is a stranger to it. */
  const run = async () => ({
    mark: 'nobody',
    directory: join(directory, 'empty'),
    dockerBefore: await dockerThings(),
  });
  after(async () => {
    for (const name of volumes) await docker.getVolume(name).remove();
    await rm(directory, { recursive: true });
  });

  test('what is new and nobody else’s is told; what a server outside the run has, or had before, is not', async () => {
    const [theirs, older] = [randomUUID(), randomUUID()];
    await volume(older);
    const started = await run();
    const database = new DatabaseSync(join(directory, 'clarateach.db'));
    try {
      database.exec('create table settings (key text, value text)');
      database.prepare("insert into settings values ('installation', ?)").run(theirs);
      await volume(older);
      await volume(theirs);
      const ours = await volume(randomUUID());
      const { docker: left } = await findLeftBehind(started);
      assert.deepEqual(
        left.filter((name) => volumes.some((each) => name.endsWith(each))),
        [ours],
      );
    } finally {
      database.close();
    }
    const isElsewhere = await installationsElsewhere(() => false, 'CLARATEACH_NO_SUCH_MARK');
    assert.equal(isElsewhere(theirs), false, 'a server that has ended has nothing any more');
  });

  test('a test’s installation is another run’s only while there is another run', async () => {
    const ofATest = 'conformance-ws-abcd1234';
    const mark = 'PATH';
    assert.equal((await installationsElsewhere(() => false, mark))(ofATest), true);
    assert.equal((await installationsElsewhere(() => false, 'CLARATEACH_NO_SUCH_MARK'))(ofATest), false);
    assert.equal((await installationsElsewhere(() => false, mark))(randomUUID()), false);
  });
});

const isRoot = process.getuid?.() === 0;

test('a sandboxed process whose files lie in the directory of the run is told, though it has no mark', {
  skip: isRoot ? false : 'only root makes mounts',
}, async () => {
  const directory = await mkdtemp(join(tmpdir(), 'clarateach-leaks-'));
  await mkdir(join(directory, 'files'));
  const bind = 'mount --bind "$0" /mnt; echo; exec sleep 60';
  const sandboxed = spawn('unshare', ['-m', 'sh', '-c', bind, join(directory, 'files')], {
    cwd: '/',
    env: {},
  });
  try {
    await once(sandboxed.stdout, 'data');
    const left = await findLeftBehind({ mark: 'nobody', directory, dockerBefore: await dockerThings() });
    assert.deepEqual(left.processes, [{ pid: sandboxed.pid, command: 'sleep 60' }]);
  } finally {
    sandboxed.kill();
    await rm(directory, { recursive: true });
  }
});
