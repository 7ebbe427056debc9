import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, describe, test } from 'node:test';
import { seatName } from '@clarateach/contract/ids';
import type Dockerode from 'dockerode';
import { pack } from 'tar-stream';
import { ProviderError, type ProviderErrorKind, type SeatProvider } from '../../provider.ts';
import { dockerProvider } from './docker.ts';
import { ENGINE_SOCKET, engineClient } from './engine.ts';
import { probeDocker } from './probe.ts';
import {
  eventually,
  leftOvers,
  observed,
  randomWorkshop,
  removeLeftOvers,
  runInSeat,
  SEAT_IMAGE,
  specOf,
  TEST_DEADLINE_MS,
  whyNot,
} from './testing.ts';

const docker = engineClient(ENGINE_SOCKET);
const reason = await whyNot(docker);
if (reason) console.log(`NOT RUN: docker provider: ${reason}`);

function isProviderError(kind: ProviderErrorKind, message: RegExp) {
  return (error: unknown) =>
    error instanceof ProviderError && error.kind === kind && message.test(error.message);
}

describe('the docker provider', { skip: reason ?? false }, () => {
  const workshop = randomWorkshop();
  const installation = `docker-${workshop}`;
  const seat = { workshop, seat: 1 };
  /** One for each test: they wait for each other, and for a machine in use. */
  let signal = AbortSignal.timeout(TEST_DEADLINE_MS);
  const open = () => dockerProvider({ image: SEAT_IMAGE, installation });
  let provider: SeatProvider;

  before(async () => {
    provider = await open();
  });
  beforeEach(() => {
    signal = AbortSignal.timeout(TEST_DEADLINE_MS);
  });
  after(async () => {
    signal = AbortSignal.timeout(TEST_DEADLINE_MS);
    await provider.close();
    const left = await leftOvers(docker, installation);
    await removeLeftOvers(docker, installation);
    assert.deepEqual(left, []);
  });

  test('files outlive a stop and a killed container, and are gone after destroy', async () => {
    await provider.ensure(specOf(seat), signal);
    await observed(provider, seat, 'running');
    await runInSeat(docker, seat, 'echo kept > /workspace/file; git config --global user.name Ada');

    await provider.stop(seat, signal);
    assert.deepEqual(await leftOvers(docker, installation), [`volume ${seatName(seat)}`]);
    assert.deepEqual(await provider.observe(seat, signal), { state: 'absent' });
    assert.deepEqual(await provider.list(signal), [seat]);

    await provider.ensure(specOf(seat), signal);
    await observed(provider, seat, 'running');
    await docker.getContainer(seatName(seat)).kill();
    const ended = await observed(provider, seat, 'exited');
    assert.equal(ended.code, 137);
    await provider.ensure(specOf(seat), signal);
    await observed(provider, seat, 'running');
    const kept = await runInSeat(docker, seat, 'cat /workspace/file; git config --global user.name');
    assert.equal(kept.output, 'kept\nAda');

    await provider.destroy(seat, signal);
    assert.deepEqual(await leftOvers(docker, installation), []);
    assert.deepEqual(await provider.list(signal), []);
    await Promise.all([provider.stop(seat, signal), provider.destroy(seat, signal)]);
  });

  test('a process that comes after finds the seat, also one that was only created', async () => {
    await provider.ensure(specOf(seat), signal);
    await observed(provider, seat, 'running');
    const { StartedAt } = (await docker.getContainer(seatName(seat)).inspect()).State;
    const next = await open();
    await observed(next, seat, 'running');
    await next.ensure(specOf(seat), signal);
    assert.equal((await docker.getContainer(seatName(seat)).inspect()).State.StartedAt, StartedAt);

    await docker.getContainer(seatName(seat)).remove({ force: true });
    const { Labels } = await docker.getVolume(seatName(seat)).inspect();
    await docker.createContainer({ name: seatName(seat), Image: SEAT_IMAGE, Labels });
    assert.deepEqual(await next.observe(seat, signal), { state: 'absent' });
    await next.ensure(specOf(seat), signal);
    await observed(next, seat, 'running');
    await next.destroy(seat, signal);
    await next.close();
  });

  test("another installation on the engine never touches this one's seat", async () => {
    await provider.ensure(specOf(seat), signal);
    await observed(provider, seat, 'running');
    const other = await dockerProvider({ image: SEAT_IMAGE, installation: `${installation}-other` });
    assert.deepEqual(await other.list(signal), []);
    assert.deepEqual(await other.observe(seat, signal), { state: 'absent' });
    await assert.rejects(other.ensure(specOf(seat), signal), isProviderError('rejected', /did not make/));
    await other.destroy(seat, signal);
    await other.close();
    assert.deepEqual(await leftOvers(docker, `${installation}-other`), []);
    assert.equal((await provider.observe(seat, signal)).state, 'running');
    await provider.destroy(seat, signal);
  });

  test('a workspace server that dies is started again, and the shell lives on', async () => {
    await provider.ensure(specOf(seat), signal);
    await observed(provider, seat, 'running');
    const shell = 'ps -eo pid,ppid,comm | grep "tmux: server"';
    const pid = 'pgrep -f /workspace/server.cjs | head -1';
    const first = (await runInSeat(docker, seat, pid)).output;
    const shells = (await runInSeat(docker, seat, shell)).output;
    assert.notEqual(first, '');
    await runInSeat(docker, seat, `kill -9 ${first}`);
    await eventually('a new server answers', async () => {
      const { output } = await runInSeat(docker, seat, pid);
      return output !== '' && output !== first && (await provider.observe(seat, signal)).state === 'running';
    });
    assert.equal((await runInSeat(docker, seat, shell)).output, shells);
    const container = docker.getContainer(seatName(seat));
    await container.stop({ t: 10 });
    assert.notEqual((await container.inspect()).State.ExitCode, 137, 'it stops when it is told to');
    await provider.destroy(seat, signal);
  });

  test('a bound of the disk holds, or is refused before any seat is made', async (context) => {
    const bounded = await dockerProvider({ image: SEAT_IMAGE, installation, diskMiB: 64 }).catch(
      (error: unknown) => error,
    );
    if (bounded instanceof Error) {
      context.diagnostic('this engine cannot bound volumes: only the refusal is seen here');
      assert.ok(isProviderError('rejected', /project quotas.*SEAT_DISK_GIB/)(bounded));
    } else {
      const held = bounded as SeatProvider;
      await held.ensure(specOf(seat), signal);
      await observed(held, seat, 'running');
      assert.notEqual((await runInSeat(docker, seat, 'head -c 100M /dev/zero > /workspace/full')).code, 0);
      await held.destroy(seat, signal);
      await held.close();
    }
    assert.deepEqual(await leftOvers(docker, installation), []);
  });

  test('eight seats at once, taken away at once, leave nothing', async () => {
    const seats = Array.from({ length: 8 }, (_, index) => ({ workshop, seat: index + 1 }));
    await Promise.all(seats.map((id) => provider.ensure(specOf(id), signal)));
    await Promise.all(seats.map((id) => observed(provider, id, 'running')));
    assert.equal((await provider.list(signal)).length, 8);
    await Promise.all(seats.map((id) => provider.destroy(id, signal)));
    assert.deepEqual(await leftOvers(docker, installation), []);
  });

  test('an abort ends the wait with its reason, and destroy cleans up after it', async () => {
    const gone = new Error('no longer wanted');
    const abort = new AbortController();
    const ensuring = provider.ensure(specOf(seat), abort.signal);
    setImmediate(() => abort.abort(gone));
    await assert.rejects(ensuring, (error) => error === gone);
    await eventually('nothing is left', async () => {
      await provider.destroy(seat, signal);
      return (await leftOvers(docker, installation)).length === 0;
    });
  });

  test('an image that the engine does not have is rejected by name', async () => {
    const spec = specOf(seat, { image: 'clarateach-no-such-image:1' });
    await assert.rejects(
      provider.ensure(spec, signal),
      isProviderError('rejected', /clarateach-no-such-image:1/),
    );
    await provider.destroy(seat, signal);
  });

  test('no seat starts when the network guard cannot be applied', async () => {
    const empty = `clarateach-test-empty:${workshop}`;
    const archive = pack();
    archive.entry({ name: 'nothing' }, '');
    archive.finalize();
    const [repo, tag] = empty.split(':');
    const stream = await docker.importImage(archive as unknown as NodeJS.ReadableStream, { repo, tag });
    await new Promise((resolve) => docker.modem.followProgress(stream, resolve));
    const unguarded = await dockerProvider({ image: empty, installation });
    try {
      const ensuring = unguarded.ensure(specOf(seat, { image: SEAT_IMAGE }), signal);
      await assert.rejects(ensuring, isProviderError('rejected', /network guard/));
      assert.deepEqual(await unguarded.observe(seat, signal), { state: 'absent' });
    } finally {
      await unguarded.destroy(seat, signal);
      await unguarded.close();
      await docker.getImage(empty).remove();
    }
  });

  test('a taken address range is stepped around', async () => {
    const pools = ['10.213.77.0/28'];
    const small = await dockerProvider({ image: SEAT_IMAGE, installation, subnetPools: pools });
    const rival = await docker.createNetwork({
      Name: `${seatName(seat)}-rival`,
      IPAM: { Config: [{ Subnet: '10.213.77.0/29' }] },
    });
    try {
      await small.ensure(specOf(seat), signal);
      const network: Dockerode.NetworkInspectInfo = await docker.getNetwork(seatName(seat)).inspect();
      assert.equal(network.IPAM?.Config?.[0]?.Subnet, '10.213.77.8/29');
      await assert.rejects(
        small.ensure(specOf({ workshop, seat: 2 }), signal),
        isProviderError('capacity', /No subnet is free/),
      );
    } finally {
      await Promise.all([1, 2].map((number) => small.destroy({ workshop, seat: number }, signal)));
      await rival.remove();
      await small.close();
    }
  });
});

test('an engine that is not there is told from one that fails', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'clarateach-engine-'));
  const missing = join(directory, 'docker.sock');
  assert.match((await probeDocker({ socketPath: missing })).note, /^No Docker engine/);
  await assert.rejects(
    dockerProvider({ image: SEAT_IMAGE, installation: 'none', socketPath: missing }),
    isProviderError('unreachable', /does not answer/),
  );

  const failing = createServer((request, response) => {
    const version = { Version: '18.09', ApiVersion: '1.39' };
    const info = { OSType: 'linux', OperatingSystem: 'Debian', SecurityOptions: [] };
    if (request.url?.startsWith('/version')) response.end(JSON.stringify(version));
    else if (request.url?.startsWith('/info')) response.end(JSON.stringify(info));
    else if (request.url === '/_ping') response.end('OK');
    else response.writeHead(500).end(JSON.stringify({ message: 'the engine is confused' }));
  });
  await new Promise<void>((resolve) => failing.listen(missing, resolve));
  try {
    assert.match((await probeDocker({ socketPath: missing })).note, /18\.09 is too old/);
    const provider = await dockerProvider({ image: SEAT_IMAGE, installation: 'none', socketPath: missing });
    await assert.rejects(
      provider.list(new AbortController().signal),
      isProviderError('unreachable', /the engine is confused/),
    );
  } finally {
    failing.closeAllConnections();
    await new Promise((resolve) => failing.close(resolve));
    await rm(directory, { recursive: true });
  }
});
