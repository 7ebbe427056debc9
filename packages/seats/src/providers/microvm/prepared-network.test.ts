import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { ProviderError } from '../../provider.ts';
import { VmNetwork } from './network.ts';
import { bridgeMarked, preparedMark } from './prepared-network.ts';
import { runProgram } from './run-program.ts';

const skip =
  process.getuid?.() === 0
    ? await runProgram('nft', ['--version']).then(
        () => undefined,
        () => 'nft is not installed',
      )
    : 'only root may make a bridge';
if (skip) {
  console.log(`NOT RUN: the prepared network: ${skip}`);
  if (process.env.CI === 'true') throw new Error(`NOT RUN: ${skip}`);
}

describe('the network that set-up prepares', { skip: skip ?? false, concurrency: false }, () => {
  const bridge = { name: `ctp${process.pid}`, address: '192.168.233.1/24' };
  let directory: string;
  let mark: string;
  const network = (installation: string, given = bridge) =>
    new VmNetwork({
      installation,
      stateDirectory: join(directory, installation),
      bridge: given,
      prepared: mark,
    });
  const alias = () =>
    readFile(`/sys/class/net/${bridge.name}/ifalias`, 'utf8').then(
      (text) => text.trim(),
      () => undefined,
    );
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'clarateach-net-'));
    mark = preparedMark(directory);
  });
  after(async () => {
    await network('setup').unprepare();
    await rm(directory, { recursive: true, force: true });
  });

  it('is made once, taken by the first installation with seats, and given back by its last', async () => {
    assert.deepEqual(await network('setup').prepare(), bridge);
    assert.equal(await network('setup').prepare(), undefined);
    assert.deepEqual(await bridgeMarked(mark), bridge);

    const mine = network('mine');
    const seat = await mine.attach('192.168.233.11');
    assert.equal(await alias(), mine.table);
    assert.equal(await network('setup').prepare(), undefined, 'it is prepared, though in use');
    await assert.rejects(
      network('yours').attach('192.168.233.12'),
      (error) =>
        error instanceof ProviderError && error.kind === 'rejected' && /BRIDGE_NAME/.test(error.message),
    );
    await mine.detach(seat.address);
    assert.equal(await alias(), mark);
    const yours = network('yours');
    await yours.attach('192.168.233.11');
    assert.equal(await alias(), yours.table);
    await yours.detach('192.168.233.11');
  });

  it('keeps the hardware address that guests remember, while seats come and go', async () => {
    const hardware = () => readFile(`/sys/class/net/${bridge.name}/address`, 'utf8');
    const mine = network('mine');
    const kept = await hardware();
    for (const address of ['192.168.233.11', '192.168.233.12', '192.168.233.13']) {
      await mine.attach(address);
      assert.equal(await hardware(), kept);
    }
    for (const address of ['192.168.233.12', '192.168.233.11', '192.168.233.13']) {
      await mine.detach(address);
      assert.equal(await hardware(), kept);
    }
  });

  it('is refused where somebody else has the range of addresses', async () => {
    const other = { name: `ctq${process.pid}`, address: '192.168.233.129/25' };
    await assert.rejects(
      network('other', other).attach('192.168.233.140'),
      (error) =>
        error instanceof ProviderError &&
        error.kind === 'rejected' &&
        /in use.*BRIDGE_IP/.test(error.message),
    );
    await network('other', other).detach('192.168.233.140');
  });

  it('leaves a second installation on the machine a bridge and a range of its own', async () => {
    const both = ['one', 'two'].map(
      (name) =>
        new VmNetwork({ installation: name, stateDirectory: join(directory, name), bridge: undefined }),
    );
    const held: string[] = [];
    try {
      const bridges: string[] = [];
      for (const each of both) {
        const { name, network } = await each.bridge();
        const address = network.address.replace(/\d+$/, '11');
        await each.attach(address);
        held.push(address);
        bridges.push(name);
      }
      assert.equal(new Set(bridges).size, 2, bridges.join());
      assert.equal(new Set(held).size, 2, held.join());
    } finally {
      for (const [index, address] of held.entries()) await both[index]?.detach(address);
    }
  });

  it('goes without a trace, or with the last seat that uses it', async () => {
    const mine = network('mine');
    await mine.attach('192.168.233.11');
    assert.deepEqual(await network('setup').unprepare(), [`nftables table ${mark}`]);
    assert.equal(await alias(), mine.table);
    await mine.detach('192.168.233.11');
    assert.equal(await alias(), undefined);
    await network('setup').prepare();
    assert.deepEqual(await network('setup').unprepare(), [`bridge ${bridge.name}`, `nftables table ${mark}`]);
    assert.equal(await alias(), undefined);
    assert.deepEqual(await network('setup').unprepare(), []);
  });
});
