import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, describe, it } from 'node:test';
import { ProviderError } from '../../provider.ts';
import { type Bridge, requireUsableNetwork } from './bridge-choice.ts';
import { aliasOf, ipBatch, isLink } from './links.ts';
import { VmNetwork } from './network.ts';
import { addressOn, prepareNat } from './prepared-network.ts';
import { runProgram } from './run-program.ts';
import { inOwnNetwork } from './testing-own-network.ts';

const MARK = 'clarateach-prepared-test';
const LOCK = '/run/clarateach-network.lock';
const BRIDGE = { name: 'clarateach0', address: '192.168.100.1/24' };
const [FIRST, SECOND] = ['192.168.100.11', '192.168.100.12'] as const;

if (await inOwnNetwork(import.meta.filename)) {
  describe('the bridge of an installation', { concurrency: false, timeout: 60_000 }, () => {
    let directory: string;
    let opened: VmNetwork[] = [];
    before(async () => {
      directory = await mkdtemp(join(tmpdir(), 'clarateach-bridge-'));
    });
    afterEach(async () => {
      for (const network of opened) {
        for (const address of [FIRST, SECOND]) await network.detach(address);
      }
      opened = [];
      await opens('setup').unprepare();
      opened = [];
      await rm(directory, { recursive: true, force: true });
    });
    after(() => rm(directory, { recursive: true, force: true }));

    function opens(installation: string, bridge?: Bridge, report = (_: string) => {}): VmNetwork {
      const stateDirectory = join(directory, installation);
      const network = new VmNetwork({ installation, stateDirectory, bridge, prepared: MARK, report });
      opened.push(network);
      return network;
    }
    const of = async (what: string) =>
      (await readFile(`/sys/class/net/${BRIDGE.name}/${what}`, 'utf8')).trim();
    /** As versions did that gave it no hardware address of its own. */
    async function madeEarlier(alias: string): Promise<void> {
      await ipBatch([
        `link add name ${BRIDGE.name} type bridge`,
        `link set dev ${BRIDGE.name} alias ${alias} up`,
        `address add ${BRIDGE.address} dev ${BRIDGE.name}`,
      ]);
    }
    const unreachable = (error: unknown) => error instanceof ProviderError && error.kind === 'unreachable';
    /** The first address for seats of the network that is chosen now. */
    const seatOf = async (network: VmNetwork) =>
      (await network.bridge()).network.address.replace(/\.1$/, '.11');

    it('keeps its hardware address from then on, though an earlier version prepared it', async () => {
      await madeEarlier(MARK);
      await prepareNat(MARK, BRIDGE);
      const network = opens('mine');
      await network.attach(FIRST);
      const address = await of('address');
      await network.attach(SECOND);
      await network.detach(FIRST);
      assert.equal(await of('address'), address);
      assert.equal(await of('addr_assign_type'), '3');
      await network.detach(SECOND);
      assert.equal(await of('address'), address);
      assert.equal(await aliasOf(BRIDGE.name), MARK, 'it is given back');
    });

    it('keeps that which the guests know, though an earlier version made it for seats that run', async () => {
      const network = opens('mine');
      await madeEarlier(network.table);
      const { port } = network.seat(FIRST);
      await ipBatch([
        `link add name ${port} address 02:00:00:00:00:01 type veth peer name ${port}-i`,
        `link set dev ${port} master ${BRIDGE.name} up`,
      ]);
      const known = await of('address');
      assert.equal(known, '02:00:00:00:00:01', 'that of a port');
      network.adopt([FIRST]);
      await network.keep();
      assert.equal(await of('addr_assign_type'), '3');
      await network.attach(SECOND);
      await network.detach(FIRST);
      assert.equal(await of('address'), known);
    });

    it('is another one at the next try, where somebody was quicker to take what was free', async () => {
      const [first, second] = [opens('first'), opens('second')];
      const seats = [await seatOf(first), await seatOf(second)] as const;
      assert.deepEqual(seats, [FIRST, FIRST], 'both have chosen the same');
      await first.attach(FIRST);
      await assert.rejects(second.attach(FIRST), unreachable);
      const other = await seatOf(second);
      assert.notEqual(other, FIRST);
      await second.attach(other);
      assert.equal(await aliasOf((await first.bridge()).name), first.table);
      assert.equal(await aliasOf((await second.bridge()).name), second.table);
      await second.detach(other);
    });

    it('stays that of the seats that run, whatever is set, and gives way after the last of them', async () => {
      for (const wanted of [
        { name: 'clarateach7', address: '10.77.0.1/24' },
        { name: 'clarateach7', address: BRIDGE.address },
        { name: BRIDGE.name, address: '10.77.0.1/24' },
      ]) {
        await opens('mine', BRIDGE).attach(FIRST);
        await requireUsableNetwork(wanted);
        const said: string[] = [];
        const later = opens('mine', wanted, (line) => said.push(line));
        later.adopt([FIRST]);
        await later.attach(SECOND);
        assert.equal((await later.bridge()).address, BRIDGE.address);
        assert.equal(said.length, 1);
        assert.match(said[0] ?? '', /clarateach0 \(192\.168\.100\.1\/24\).*BRIDGE_IP/);
        const rules = await runProgram('nft', ['list', 'table', 'inet', later.table]);
        assert.match(rules, /iifname "clarateach0" drop/);
        for (const address of [FIRST, SECOND]) await later.detach(address);
        assert.equal(await isLink(BRIDGE.name), false);

        const seat = wanted.address.replace(/\.1\/24$/, '.11');
        await later.attach(seat);
        assert.equal((await later.bridge()).name, wanted.name);
        assert.equal(await addressOn(wanted.name), wanted.address);
        await later.detach(seat);
        assert.equal(said.length, 1);
      }
    });

    it('goes, where its seats ended unseen and another is set since', async () => {
      await opens('mine', BRIDGE).attach(FIRST);
      const later = opens('mine', { name: BRIDGE.name, address: '10.77.0.1/24' });
      await later.attach('10.77.0.11');
      assert.equal(await addressOn(BRIDGE.name), '10.77.0.1/24');
      await later.detach('10.77.0.11');
      assert.equal(await isLink(BRIDGE.name), false);
    });

    it('goes with a last seat that another process had started, whatever is set', async () => {
      await opens('mine', BRIDGE).attach(FIRST);
      const later = opens('mine', { name: 'clarateach7', address: '10.77.0.1/24' });
      later.adopt([FIRST]);
      await later.detach(FIRST);
      assert.equal(await isLink(BRIDGE.name), false);
    });

    it('is made by one process at a time, and another waits for it', async () => {
      const network = opens('mine', BRIDGE);
      const holder = spawn('flock', ['--exclusive', LOCK, 'sh', '-c', 'echo held; exec cat'], {
        stdio: ['pipe', 'pipe', 'inherit'],
      });
      await once(holder.stdout, 'data');
      const attached = network.attach(FIRST);
      const waiting = async () => {
        const { ino } = await stat(LOCK);
        return new RegExp(` -> FLOCK .*:${ino} `).test(await readFile('/proc/locks', 'utf8'));
      };
      while (!(await waiting())) assert.equal(await isLink(BRIDGE.name), false);
      assert.equal(await isLink(BRIDGE.name), false);
      holder.stdin.end();
      await attached;
      assert.equal(await aliasOf(BRIDGE.name), network.table);
    });

    it('that was prepared is had by one of those that come at once', async () => {
      await opens('setup').prepare();
      const all = ['a', 'b', 'c', 'd'].map((name) => opens(name));
      for (const network of all) assert.equal((await network.bridge()).name, 'clarateach0');
      const ends = await Promise.allSettled(all.map((network) => network.attach(FIRST)));
      const refused = ends.flatMap((end) => (end.status === 'rejected' ? [end.reason] : []));
      assert.equal(refused.length, 3);
      assert.ok(refused.every(unreachable), String(refused));
      const winner = all[ends.findIndex(({ status }) => status === 'fulfilled')];
      assert.equal(await aliasOf(BRIDGE.name), winner?.table);
    });
  });
}
