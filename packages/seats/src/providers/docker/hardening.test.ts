import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { seatName } from '@clarateach/contract/ids';
import type { SeatProvider } from '../../provider.ts';
import { dockerProvider } from './docker.ts';
import { ENGINE_SOCKET, engineClient } from './engine.ts';
import {
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
if (reason) console.log(`NOT RUN: docker hardening: ${reason}`);

describe('a docker seat, seen from inside', { skip: reason ?? false }, () => {
  const workshop = randomWorkshop();
  const installation = `hardening-${workshop}`;
  const seat = { workshop, seat: 1 };
  /** One for each test: they wait for each other, and for a machine in use. */
  let signal = AbortSignal.timeout(TEST_DEADLINE_MS);
  const inside = (script: string) => runInSeat(docker, seat, script);
  let provider: SeatProvider;

  before(async () => {
    provider = await dockerProvider({ image: SEAT_IMAGE, installation });
    await provider.ensure(specOf(seat), signal);
    await observed(provider, seat, 'running');
  });
  beforeEach(() => {
    signal = AbortSignal.timeout(TEST_DEADLINE_MS);
  });
  after(async () => {
    signal = AbortSignal.timeout(TEST_DEADLINE_MS);
    await provider.destroy(seat, signal);
    await provider.close();
    const left = await leftOvers(docker, installation);
    await removeLeftOvers(docker, installation);
    assert.deepEqual(left, []);
  });

  test('it runs as learner, with no capability and no way to gain one', async () => {
    const status = (await inside('id -u; id -un; grep -E "^(Cap|NoNewPrivs|Seccomp:)" /proc/self/status'))
      .output;
    assert.match(status, /^1000\nlearner\n/);
    for (const set of ['Inh', 'Prm', 'Eff', 'Bnd', 'Amb'])
      assert.match(status, new RegExp(`Cap${set}:\\s+0{16}`));
    assert.match(status, /NoNewPrivs:\s+1/);
    assert.match(status, /Seccomp:\s+2/);
    const server = (await inside("grep -E '^(Uid|CapEff|NoNewPrivs)' /proc/1/status")).output;
    assert.match(server, /Uid:\s+1000\s+1000\s+1000\s+1000\nCapEff:\s+0{16}\nNoNewPrivs:\s+1/);
    assert.equal((await inside('find / -xdev -perm /6000 -type f 2>/dev/null')).output, '');
  });

  test('only /workspace and two small tmpfs can be written', async () => {
    for (const place of ['/', '/etc', '/usr/bin', '/opt/clarateach', '/var/tmp', '/home', '/root']) {
      assert.notEqual((await inside(`touch ${place}/probe`)).code, 0, place);
    }
    assert.equal((await inside('touch /workspace/probe /tmp/probe /run/probe ~/probe')).code, 0);
    const mounts = (await inside('cat /proc/mounts')).output.split('\n').map((line) => line.split(' '));
    const options = (place: string) => mounts.find(([, where]) => where === place)?.[3]?.split(',') ?? [];
    assert.ok(options('/').includes('ro'));
    for (const place of ['/tmp', '/run']) {
      for (const option of ['nosuid', 'nodev'])
        assert.ok(options(place).includes(option), `${place} ${option}`);
    }
    assert.ok(options('/tmp').includes('size=262144k'));
    assert.ok(options('/run').includes('size=16384k'));
    assert.notEqual((await inside('head -c 300M /dev/zero > /tmp/full')).code, 0);
    await inside('rm -f /tmp/full');
  });

  test("nothing of the host's is in it: no engine socket, no devices, no directory, no processes", async () => {
    const seen = await inside(
      'ls /var/run/docker.sock /run/docker.sock /dev/kmsg /dev/mem 2>/dev/null; find /dev -type b; ps -e | wc -l',
    );
    assert.match(seen.output, /^\d+$/);
    assert.ok(Number(seen.output) < 20);
    const { Mounts } = await docker.getContainer(seatName(seat)).inspect();
    assert.deepEqual(
      Mounts.map(({ Type, Destination }) => `${Type} ${Destination}`),
      ['volume /workspace'],
    );
    assert.notEqual((await inside('mount -t tmpfs none /mnt')).code, 0);
    assert.notEqual((await inside('unshare -U true')).code, 0);
  });

  test('memory, processor, processes and open files are bounded', async () => {
    const limits = await inside(`
      cat /sys/fs/cgroup/memory.max 2>/dev/null || cat /sys/fs/cgroup/memory/memory.limit_in_bytes
      cat /sys/fs/cgroup/pids.max 2>/dev/null || cat /sys/fs/cgroup/pids/pids.max
      cat /sys/fs/cgroup/cpu.max 2>/dev/null || echo $(cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us /sys/fs/cgroup/cpu/cpu.cfs_period_us)
      ulimit -Hn; ulimit -Sn; ulimit -Hc`);
    assert.deepEqual(limits.output.split('\n'), [
      String(384 * 1024 * 1024),
      '128',
      '100000 100000',
      '2048',
      '2048',
      '0',
    ]);
  });

  test('a fork bomb ends at the limit, and the seat still answers', async () => {
    const bomb = await inside(`python3 -c '
import os, time
forked = 0
try:
    while forked < 1000:
        if os.fork() == 0: time.sleep(60); os._exit(0)
        forked += 1
except OSError: pass
print(forked)'`);
    assert.ok(Number(bomb.output) > 10 && Number(bomb.output) < 128, bomb.output);
    assert.equal((await provider.observe(seat, signal)).state, 'running');
    await docker.getContainer(seatName(seat)).restart({ t: 1 });
    await observed(provider, seat, 'running');
  });

  test('a memory bomb kills only the program that holds it', async () => {
    const before = (await docker.getContainer(seatName(seat)).inspect()).State.StartedAt;
    const bomb = await inside('python3 -c \'b = bytearray(2 << 30); b[::4096] = b"x" * len(b[::4096])\'');
    assert.equal(bomb.code, 137);
    await observed(provider, seat, 'running');
    assert.equal((await docker.getContainer(seatName(seat)).inspect()).State.StartedAt, before);
  });

  test('the tools of a workshop are there and work', async () => {
    const tools = await inside(
      'for tool in bash tmux git curl node npm npx python3 nano vi claude; do command -v $tool >/dev/null || echo missing $tool; done; bash -lc "node --version; npm --version; claude --version"',
    );
    assert.match(tools.output, /^v26\.\S+\n11\.\S+\n\d+\.\d+\.\d+ \(Claude Code\)$/);
  });

  test('secrets of the environment are in no label and no command line', async () => {
    const { Config, Args, Path } = await docker.getContainer(seatName(seat)).inspect();
    assert.doesNotMatch(
      JSON.stringify([Config.Labels, Config.Cmd, Config.Entrypoint, Args, Path]),
      /sk-test/,
    );
    assert.doesNotMatch((await inside('cat /proc/*/cmdline')).output, /sk-test/);
  });
});
