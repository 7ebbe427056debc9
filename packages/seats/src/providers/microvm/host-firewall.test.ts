import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, describe, it } from 'node:test';
import { IP_FORWARD } from './links.ts';
import { VmNetwork } from './network.ts';
import { runProgram } from './run-program.ts';
import { farPlace, guestPlace, inOwnNetwork, type Place } from './testing-own-network.ts';

const BRIDGE = { name: 'clarateach0', address: '192.168.100.1/24' };
const SEAT = '192.168.100.11';
const FAR = '203.0.113.2';

if (await inOwnNetwork(import.meta.filename)) {
  describe('a host that does not pass packets on', { concurrency: false, timeout: 60_000 }, () => {
    let directory: string;
    let far: Place;
    let guest: Place;
    let seats: VmNetwork;
    let said: string[] = [];
    before(async () => {
      directory = await mkdtemp(join(tmpdir(), 'clarateach-firewall-'));
      far = await farPlace(FAR);
      seats = open();
      guest = await guestPlace(await seats.attach(SEAT), '192.168.100.1');
    });
    afterEach(() => nft('delete table inet host').catch(() => ''));
    after(async () => {
      await seats?.detach(SEAT);
      await rm(directory, { recursive: true, force: true });
    });

    function open(): VmNetwork {
      said = [];
      return new VmNetwork({
        ...{ installation: 'firewall', stateDirectory: directory, bridge: BRIDGE },
        report: (line) => said.push(line),
      });
    }
    /** What a server that has just begun finds, and does, at its first look. */
    async function look(): Promise<readonly string[]> {
      const network = open();
      network.adopt([SEAT]);
      await network.keep();
      return said;
    }
    const nft = (text: string) => runProgram('nft', ['-f', '-'], `${text}\n`);
    const forward = (policy: string, rule: string) =>
      nft(
        `table inet host {\nchain passing { type filter hook forward priority 5; policy ${policy};\n${rule}\n}\n}`,
      );
    async function isHeard(): Promise<boolean> {
      const arrived = await far.count('udp dport 5000');
      await guest.run('bash', '-c', `echo >/dev/udp/${FAR}/5000`);
      return (await arrived()) === 1;
    }

    it('does so again at the next look, where somebody has switched it off', async () => {
      assert.equal(await isHeard(), true);
      await writeFile(IP_FORWARD, '0');
      assert.equal(await isHeard(), false);
      await look();
      assert.equal((await readFile(IP_FORWARD, 'utf8')).trim(), '1');
      assert.equal(await isHeard(), true);
    });

    it('is opened where iptables refuses in its last rule what it does not know', async (context) => {
      const iptables = (...args: string[]) => runProgram('iptables', ['-w', ...args]);
      try {
        await iptables('-A', 'FORWARD', '-j', 'REJECT');
      } catch (error) {
        return context.skip(`NOT RUN: ${(error as Error).message}`);
      }
      assert.equal(await isHeard(), false);
      assert.deepEqual(await look(), []);
      assert.equal(await isHeard(), true);
      await iptables('-F', 'FORWARD');
    });

    it('is named with its chain and a remedy, where other rules drop or refuse', async () => {
      for (const [policy, rule] of [
        ['drop', 'ct state established accept'],
        ['accept', 'counter reject with icmpx type admin-prohibited'],
      ] as const) {
        await forward(policy, rule);
        assert.equal(await isHeard(), false);
        const lines = await look();
        assert.equal(lines.length, 1, policy);
        assert.match(lines[0] ?? '', /table inet host, chain passing.*clarateach0.*firewalld/);
        await nft('delete table inet host');
      }
    });

    it('is not spoken of where its rules know the bridge or drop something else', async () => {
      for (const [policy, rule] of [
        ['drop', 'iifname "clarateach*" accept'],
        ['drop', 'iifname "clarateach0" accept'],
        ['drop', 'ip saddr 192.168.100.0/24 accept'],
        ['accept', 'iifname "eth7" drop'],
        ['accept', 'counter'],
      ] as const) {
        await forward(policy, rule);
        assert.equal(await isHeard(), true);
        assert.deepEqual(await look(), [], rule);
        await nft('delete table inet host');
      }
    });
  });
}
