import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import {
  access,
  chmod,
  copyFile,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  rm,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, describe, it } from 'node:test';
import { ProviderError } from '../../provider.ts';
import { until } from '../local/processes.ts';
import { peerOf } from './links.ts';
import { VmNetwork } from './network.ts';
import { runProgram } from './run-program.ts';
import { networkLeftOvers } from './testing.ts';
import { requireNamespaces } from './vm-namespace.ts';
import { killVm, launch, vmState } from './vm-process.ts';

const UID = 1_900_000_790;
const { signal } = new AbortController();
const skip =
  process.getuid?.() === 0
    ? await runProgram('nft', ['--version']).then(
        () =>
          requireNamespaces().then(
            () => undefined,
            (error: Error) => error.message,
          ),
        () => 'nft is not installed',
      )
    : 'only root may make a network namespace';
if (skip) {
  console.log(`NOT RUN: the network namespaces of VMs: ${skip}`);
  if (process.env.CI === 'true') throw new Error(`NOT RUN: ${skip}`);
}

describe('the network namespace of a VM', { skip: skip ?? false, concurrency: false }, () => {
  const installation = `test-${randomBytes(6).toString('hex')}`;
  let directory: string;
  let network: VmNetwork;
  let addresses: string[];
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'clarateach-netns-'));
    network = new VmNetwork({ installation, stateDirectory: directory, bridge: undefined });
    const { address } = (await network.bridge()).network;
    addresses = [11, 12].map((last) => address.replace(/\d+$/, `${last}`));
  });
  afterEach(async () => {
    for (const address of addresses) {
      await killVm(join(directory, address));
      await network.detach(address);
    }
  });
  after(() => rm(directory, { recursive: true, force: true }));

  /** What stands for a VMM: a process that goes on. */
  async function launched(address: string, port: string, command = ['sleep', '600']): Promise<string> {
    const vm = join(directory, address);
    await mkdir(join(vm, 'vm'), { recursive: true });
    await launch(
      {
        ...{ directory: vm, command, files: ['/dev/null', '/dev/null'], uid: UID },
        limits: { memoryMiB: 64, cpus: 1, tasks: 8 },
        namespace: { port, uid: UID },
      },
      signal,
    );
    return (await readFile(join(vm, 'process'), 'utf8')).split(' ')[1] ?? '';
  }
  const inside = (pid: string, ...command: string[]) =>
    runProgram('nsenter', [`--net=/proc/${pid}/ns/net`, '--', ...command]);
  const isLink = (name: string) =>
    access(`/sys/class/net/${name}`).then(
      () => true,
      () => false,
    );

  it('has a tap, a bridge and the end of its pair, no address, and nothing of the host’s', async () => {
    const pids: string[] = [];
    for (const address of addresses) {
      const { port } = await network.attach(address);
      pids.push(await launched(address, port));
    }
    const host = await readlink('/proc/self/ns/net');
    const namespaces = await Promise.all(pids.map((pid) => readlink(`/proc/${pid}/ns/net`)));
    assert.equal(new Set([host, ...namespaces]).size, 3);
    for (const [index, pid] of pids.entries()) {
      const { port } = network.seat(addresses[index] ?? '');
      const links = JSON.parse(await inside(pid, 'ip', '-json', 'address')) as {
        ifname: string;
        flags: string[];
        addr_info: unknown[];
      }[];
      const up = links.filter(({ flags }) => flags.includes('UP')).map(({ ifname }) => ifname);
      assert.deepEqual(up.sort(), ['bridge0', 'tap0', 'uplink0']);
      assert.deepEqual(
        links.flatMap(({ addr_info }) => addr_info),
        [],
      );
      const tap = await inside(pid, 'ip', '-details', '-json', 'link', 'show', 'dev', 'tap0');
      const [{ linkinfo }] = JSON.parse(tap) as [{ linkinfo: { info_data: { user: number | string } } }];
      assert.equal(`${linkinfo.info_data.user}`, `${UID}`);
      const ipv6 = '/proc/sys/net/ipv6/conf/default/disable_ipv6';
      if (
        await access(ipv6).then(
          () => true,
          () => false,
        )
      )
        assert.equal(await inside(pid, 'cat', ipv6), '1\n');

      const open = await Promise.all(
        (await readdir(`/proc/${pid}/fd`)).map((fd) => readlink(`/proc/${pid}/fd/${fd}`)),
      );
      assert.deepEqual(
        open.filter((file) => file.startsWith('net:')),
        [],
        'no way back to the host',
      );
      assert.equal(open.filter((file) => file === '/dev/null').length, 3, 'its input and its files');
      assert.equal(open.filter((file) => file.endsWith('/vmm.log')).length, 2);
      assert.doesNotMatch(await readFile(`/proc/${pid}/environ`, 'utf8'), /CLARATEACH/);

      assert.deepEqual([await isLink(port), await isLink(peerOf(port))], [true, false]);
    }

    for (const [index, address] of addresses.entries()) {
      const { port } = network.seat(address);
      await killVm(join(directory, address));
      // The first one's port goes by itself, with the namespace; the other one's is taken away at once.
      if (index === 0) assert.ok(await until(async () => !(await isLink(port)), { withinMs: 10_000 }));
      await network.detach(address);
      assert.equal(await isLink(port), false);
    }
    assert.deepEqual(await networkLeftOvers(installation), []);
  });

  it('can be had again at once under the same name, whatever is left of the one before', async () => {
    const [address = ''] = addresses;
    // VMs of earlier versions had their tap there.
    await runProgram('ip', ['tuntap', 'add', 'dev', network.seat(address).port, 'mode', 'tap']);
    for (let round = 0; round < 5; round += 1) {
      const { port } = await network.attach(address);
      await launched(address, port);
      await killVm(join(directory, address));
    }
    await network.detach(address);
    assert.deepEqual(await networkLeftOvers(installation), []);
  });

  it('is none, and the start no VM, where the VMM is not there or the pair has gone', async () => {
    const [address = ''] = addresses;
    const refused = (message: RegExp) => (error: unknown) =>
      error instanceof ProviderError && error.kind === 'unreachable' && message.test(error.message);
    const { port } = await network.attach(address);
    await assert.rejects(
      launched(address, port, ['no-such-vmm']),
      refused(/could not be started: .*no-such-vmm/),
    );
    await network.detach(address);
    await assert.rejects(launched(address, port), refused(/could not be started: .*Cannot find device/));
    assert.equal((await vmState(join(directory, address))).state, 'ended');
    assert.deepEqual(await networkLeftOvers(installation), []);
  });

  /** Runs a script in a process that `first` has changed; returns the error's kind and words. */
  async function refusal(first: readonly string[], file: string, work: string): Promise<string> {
    const script = `import * as tested from ${JSON.stringify(join(import.meta.dirname, file))};
      const signal = new AbortController().signal;
      await ${work}.catch(({ kind, message }) => console.log(kind, message));`;
    const [program = '', ...args] = [...first, process.execPath, '--input-type=module', '-e', script];
    return runProgram(program, args);
  }

  it('is refused with a remedy where the machine lets nobody make one', async () => {
    const vm = join(directory, 'refused');
    await mkdir(join(vm, 'vm'), { recursive: true });
    const config = `{ directory: ${JSON.stringify(vm)}, command: ['sleep', '600'], files: [], uid: ${UID},
      limits: { memoryMiB: 64, cpus: 1, tasks: 8 }, namespace: { port: undefined, uid: ${UID} } }`;
    assert.match(
      await refusal(
        ['setpriv', '--bounding-set=-sys_admin', '--inh-caps=-sys_admin', '--'],
        'vm-process.ts',
        `tested.launch(${config}, signal)`,
      ),
      /^rejected .*no network of its own .*CAP_SYS_ADMIN/,
    );
    assert.equal((await vmState(vm)).state, 'ended');
  });

  it('is refused with a remedy where the kernel has no pairs of devices', async () => {
    const real = (await runProgram('sh', ['-c', 'readlink -f "$(command -v ip)"'])).trim();
    const [copy, without] = [join(directory, 'ip'), join(directory, 'ip-without-veth')];
    await copyFile(real, copy);
    await writeFile(
      without,
      `#!/bin/sh\ncase " $* " in *' veth '*) echo 'Error: Unknown device type.' >&2; exit 2 ;; esac\nexec ${copy} "$@"\n`,
    );
    for (const file of [copy, without]) await chmod(file, 0o755);
    const hide = ['unshare', '--mount', 'sh', '-c', 'mount --bind "$1" "$2"; shift 2; exec "$@"', 'sh'];
    assert.match(
      await refusal([...hide, without, real], 'links.ts', `tested.addPair('ctnone-0000')`),
      /^rejected .*modprobe veth/,
    );
    assert.match(
      await refusal([...hide, without, real], 'vm-namespace.ts', 'tested.requireNamespaces()'),
      /^rejected .*modprobe veth/,
    );
    assert.equal(await isLink('ctnone-0000'), false);
  });
});
