import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, describe, it } from 'node:test';
import { VmNetwork } from './network.ts';
import { SEAT_AMOUNTS, type SeatAmounts } from './network-rules.ts';
import { runProgram } from './run-program.ts';
import { farPlace, guestPlace, inOwnNetwork, type Place } from './testing-own-network.ts';

const BRIDGE = { name: 'clarateach0', address: '192.168.100.1/24' };
const [FIRST, SECOND, THIRD] = ['192.168.100.11', '192.168.100.12', '192.168.100.13'] as const;
const FAR = '203.0.113.2';

if (await inOwnNetwork(import.meta.filename)) {
  describe('what a seat takes of the host’s network', { concurrency: false, timeout: 60_000 }, () => {
    let directory: string;
    let network: VmNetwork;
    let far: Place;
    let asked = 5_000;
    before(async () => {
      directory = await mkdtemp(join(tmpdir(), 'clarateach-amounts-'));
      far = await farPlace(FAR);
      // Nobody there answers: what a seat began stays open.
      await far.run(
        'nft',
        'table inet mute {\nchain out { type filter hook output priority 0; meta l4proto icmp drop\n }\n}',
      );
    });
    afterEach(async () => {
      for (const address of [FIRST, SECOND, THIRD]) {
        await network.detach(address);
        await runProgram('ip', ['netns', 'delete', `guest-${address}`]).catch(() => '');
      }
    });
    after(() => rm(directory, { recursive: true, force: true }));

    const open = (amounts: Partial<SeatAmounts>) => {
      network = new VmNetwork({
        ...{ installation: 'amounts', stateDirectory: directory, bridge: BRIDGE },
        amounts: { ...SEAT_AMOUNTS, ...amounts },
      });
    };
    const guest = async (address: string) => guestPlace(await network.attach(address), '192.168.100.1');
    /** So many packets, each to another port, or all to one; returns how many arrive. */
    async function arrive(from: Place, count: number, port?: number): Promise<number> {
      const first = port ?? asked;
      const last = port ?? asked + count - 1;
      asked += count;
      const arrived = await far.count(`udp dport ${first}-${last}`);
      const each = port === undefined ? `exec 3>/dev/udp/${FAR}/$p` : '';
      const script = `exec 3>/dev/udp/${FAR}/${first}; for p in $(seq ${first} ${first + count - 1}); do ${each}; echo >&3; done`;
      await from.run('bash', '-c', script.replace('do ;', 'do'));
      return arrived();
    }

    it('is so many connections, however often seats come and go, and none of the others’', async () => {
      open({ connections: 20 });
      const first = await guest(FIRST);
      assert.equal(await arrive(first, 50), 20);
      const second = await guest(SECOND);
      assert.equal(await arrive(second, 10), 10);
      assert.equal(await arrive(first, 50), 0, 'counted on');
      await network.detach(SECOND);
      assert.equal(await arrive(first, 50), 0, 'counted on');

      await network.attach(THIRD);
      await network.detach(FIRST);
      await runProgram('ip', ['netns', 'delete', `guest-${FIRST}`]);
      assert.equal(await arrive(await guest(FIRST), 50), 20, 'a new guest has what it may have');
    });

    it('is so many new connections at once', async () => {
      open({ opening: { perSecond: 1, burst: 30 } });
      const arrived = await arrive(await guest(FIRST), 100);
      assert.ok(arrived >= 30 && arrived < 40, `${arrived}`);
      assert.equal(await arrive(await guest(SECOND), 10), 10);
    });

    it('is so many questions for names at once, and nothing else is slowed by them', async () => {
      open({ names: { perSecond: 1, burst: 30 } });
      const first = await guest(FIRST);
      const arrived = await arrive(first, 100, 53);
      assert.ok(arrived >= 30 && arrived < 40, `${arrived}`);
      assert.equal(await arrive(first, 100, 5_353), 100);
      assert.equal(await arrive(await guest(SECOND), 10, 53), 10);
    });
  });
}
