import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { chown, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import { cgroupsHere } from '@clarateach/seats/providers/microvm/cgroup';
import { VmNetwork } from '@clarateach/seats/providers/microvm/network';
import { qemu } from '@clarateach/seats/providers/microvm/qemu';
import { runProgram } from '@clarateach/seats/providers/microvm/run-program';
import { IMAGES, whyNoMicrovms } from '@clarateach/seats/providers/microvm/testing';
import type { Vmm } from '@clarateach/seats/providers/microvm/vmm';
import { cpio, EXECUTABLE } from '../images/microvm/cpio.ts';

/**
 * What somebody who is root in a guest can do on the network. A learner is not, and a seat's guest has
 * no such door; so this guest runs a program of the test in place of its first init.
 */
const run = promisify(execFile);
const skip = await whyNoMicrovms();
if (skip !== undefined) console.log(`NOT RUN: the network of guests: ${skip}`);

/** A host outside, and addresses of private and link-local networks that lie behind the same wire. */
const OUTSIDE = { host: '203.0.113.1', far: '203.0.113.2' };
const PRIVATE = { ten: '10.213.7.1', hundred: '100.64.77.7', link: '169.254.77.77', home: '172.31.77.7' };
const OUTSIDE6 = 'fd00:c1a2::2';
const UID = 1_900_000_900;
const COUNTED = `ct-counted-${process.pid}`;

/**
 * A question for a name is one packet that needs no answer to arrive, so what gets through is seen
 * though the answer would not come back. Each probe is known by its name.
 */
const PROBES = `#!/bin/busybox sh
export PATH=/bin
b=/bin/busybox
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
exec </dev/console >/dev/console 2>&1
echo 'clarateach: init'
for module in $(cat /modules/order); do insmod "/modules/$module"; done
own=\${SEAT_ADDRESS%/*} net=\${SEAT_ADDRESS%.*}
say() { $b timeout 2 $b nslookup "$1.probe.test" "$2" >/dev/null 2>&1; }
fresh() {
  $b ip address flush dev eth0
  $b ip link set eth0 down
  $b ip link set eth0 address "$1"
  $b ip link set eth0 up
  $b ip address add "$2/24" dev eth0
  $b ip route add default via "$SEAT_GATEWAY"
}
ip link set lo up
mac=$(cat /sys/class/net/eth0/address)
fresh "$mac" "$own"
say honest ${OUTSIDE.far}
for place in ${Object.entries(PRIVATE)
  .map(([name, address]) => `${name}=${address}`)
  .join(' ')}; do say "\${place%=*}" "\${place#*=}"; done
say host "$SEAT_GATEWAY"
say neighbour "$net.12"
$b ping6 -c 1 -W 2 ff02::1%eth0
say six ${OUTSIDE6}
echo "probe: names $($b timeout 4 $b nslookup localhost. "$RESOLVER" 2>&1 | $b tr '\\n' ' ')"
fresh "$mac" "$net.99"
say spoofed-address ${OUTSIDE.far}
fresh "$mac" "$net.12"
say stolen-address ${OUTSIDE.far}
fresh 02:00:00:00:00:99 "$own"
say spoofed-mac ${OUTSIDE.far}
fresh "$mac" "$own"
say honest-again ${OUTSIDE.far}
echo 'probe: done'
while :; do $b sleep 60; done
`;

describe('a guest whose root is hostile', {
  skip: skip ? `NOT RUN: ${skip}` : false,
  concurrency: false,
}, () => {
  let directory: string;
  let far: { heard(): string[]; close(): Promise<void> };
  let network: VmNetwork;
  let vmm: Vmm;
  let said = '';
  const namespace = `ct-far-${process.pid}`;
  const link = `ctf${process.pid}`;
  let vm: string;
  let subnet = '';

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'clarateach-hostile-'));
    vm = join(directory, 'run');
    far = await outside(namespace, link);
    const installation = `test-${randomBytes(6).toString('hex')}`;
    network = new VmNetwork({ installation, stateDirectory: directory, bridge: undefined });
    const bridge = await network.bridge();
    subnet = bridge.address.replace(/\.\d+\/\d+$/, '');
    const [own, neighbour] = [`${subnet}.11`, `${subnet}.12`];
    await network.attach(neighbour);
    const { port, mac } = await network.attach(own);
    // Before and after the rules of the product.
    const count = (priority: number) =>
      `chain at${-priority} { type filter hook prerouting priority ${priority}; iifname "${port}" ether type ip6 counter; }`;
    await runProgram('nft', ['-f', '-'], `table bridge ${COUNTED} {\n${count(-400)}\n${count(-200)}\n}\n`);
    const initrd = join(directory, 'initrd.cpio');
    const probes = cpio([{ path: 'init', mode: EXECUTABLE, content: Buffer.from(PROBES) }]);
    // What comes later in the archive takes the place of what came before.
    await writeFile(initrd, Buffer.concat([await readFile(join(IMAGES, 'initrd.cpio')), probes]));
    await mkdir(join(vm, 'vm'), { recursive: true });
    await chown(join(vm, 'vm'), UID, UID);
    vmm = await qemu('emulation');
    await vmm.start(
      {
        name: 'clarateach-hostile',
        directory: vm,
        kernel: join(IMAGES, 'vmlinux'),
        initrd,
        parameters: {
          SEAT_ADDRESS: `${own}/24`,
          SEAT_GATEWAY: bridge.network.address,
          RESOLVER: (await network.resolvers())[0] ?? '',
        },
        memoryMiB: 256,
        cpus: 1,
        disks: [],
        network: { port, mac },
        uid: UID,
      },
      new AbortController().signal,
    );
    const deadline = performance.now() + 120_000;
    do {
      await pause(200);
      said = await readFile(join(vm, 'vm', 'console.log'), 'utf8').catch(() => '');
      assert.ok(performance.now() < deadline, `the guest says ${said.slice(-2_000)}`);
    } while (!said.includes('probe: done'));
  });
  after(async () => {
    await vmm?.kill(vm);
    for (const last of ['11', '12']) await network?.detach(`${subnet}.${last}`);
    await run('nft', ['delete', 'table', 'bridge', COUNTED]).catch(() => undefined);
    await far?.close();
    await rm(directory, { recursive: true, force: true });
  });

  test('is heard outside under its own names only, and in no private or link-local network', () => {
    assert.deepEqual(far.heard(), ['honest', 'honest-again'], said);
  });

  test('is answered by the host’s name servers, and has no frame of IPv6 passed on', async () => {
    const counted = (await run('nft', ['list', 'table', 'bridge', COUNTED])).stdout;
    const [sent, passed] = [...counted.matchAll(/counter packets (\d+)/g)].map(([, count]) => Number(count));
    assert.ok(sent !== undefined && sent > 0, counted);
    assert.equal(passed, 0, counted);
    const server = (await network.resolvers())[0] ?? '';
    assert.match(said, new RegExp(`probe: names .*${server.replaceAll('.', '\\.')}`), said);
    assert.doesNotMatch(said, /probe: names .*(timed out|unreachable)/);
  });

  test('has limits of memory, processor and tasks that hold for its VMM', async (context) => {
    if (!(await cgroupsHere())) return context.skip('NOT RUN: control groups cannot be made here');
    const [, pid = ''] = (await readFile(join(vm, 'process'), 'utf8')).split(' ');
    const groups = (await readFile(join(vm, 'cgroups'), 'utf8')).trim().split('\n');
    const value = async (...names: string[]) => {
      for (const group of groups) {
        for (const name of names) {
          const text = await readFile(join(group, name), 'utf8').catch(() => undefined);
          if (text !== undefined) return text.trim();
        }
      }
      return undefined;
    };
    assert.equal(await value('memory.max', 'memory.limit_in_bytes'), `${(256 + 256) * 1024 * 1024}`);
    assert.match((await value('cpu.max', 'cpu.cfs_quota_us')) ?? '', /^100000( 100000)?$/);
    assert.equal(await value('pids.max'), '128');
    for (const group of groups) {
      assert.ok((await readFile(join(group, 'cgroup.procs'), 'utf8')).split('\n').includes(pid), group);
    }
  });
});

/** A host outside in a network namespace, which writes down each name that it is asked for. */
async function outside(
  namespace: string,
  link: string,
): Promise<{ heard(): string[]; close(): Promise<void> }> {
  const ip = (...args: string[]) => run('ip', args);
  const inside = ['netns', 'exec', namespace, 'ip'];
  await ip('netns', 'add', namespace);
  await ip('link', 'add', link, 'type', 'veth', 'peer', 'name', 'far0', 'netns', namespace);
  await ip('address', 'add', `${OUTSIDE.host}/24`, 'dev', link);
  await ip('link', 'set', link, 'up');
  for (const address of [`${OUTSIDE.far}/24`, ...Object.values(PRIVATE).map((each) => `${each}/32`)]) {
    await ip(...inside, 'address', 'add', address, 'dev', 'far0');
  }
  await ip(...inside, 'link', 'set', 'far0', 'up');
  await ip(...inside, 'route', 'add', 'default', 'via', OUTSIDE.host);
  await ip(...inside, '-6', 'address', 'add', `${OUTSIDE6}/64`, 'dev', 'far0', 'nodad');
  await ip('-6', 'address', 'add', 'fd00:c1a2::1/64', 'dev', link, 'nodad').catch(() => undefined);
  for (const address of Object.values(PRIVATE)) await ip('route', 'add', `${address}/32`, 'via', OUTSIDE.far);
  const script = `const s = require('dgram').createSocket('udp6');
    s.on('message', (m) => console.log(m.subarray(13, 13 + m[12]).toString()));
    s.bind(53, '::', () => console.log('listens'));`;
  const child = spawn('ip', ['netns', 'exec', namespace, process.execPath, '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let out = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
  await once(child.stdout, 'data');
  return {
    // Each is asked for again while no answer comes.
    heard: () => [...new Set(out.trim().split('\n').slice(1))],
    close: async () => {
      child.kill('SIGKILL');
      await once(child, 'exit');
      await run('ip', ['link', 'delete', 'dev', link]);
      await run('ip', ['netns', 'delete', namespace]);
    },
  };
}
