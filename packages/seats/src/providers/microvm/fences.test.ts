import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { TERMINAL_PORT } from '@clarateach/contract/seat-server';
import { removeLink } from './links.ts';
import { VmNetwork } from './network.ts';
import { runProgram } from './run-program.ts';
import { guestPlace, inOwnNetwork, type Place } from './testing-own-network.ts';

const BRIDGE = { name: 'clarateach0', address: '192.168.100.1/24' };
const GATEWAY = '192.168.100.1';
const KNOCKS = 20;
const [FIRST, SECOND] = ['192.168.100.11', '192.168.100.12'] as const;

if (await inOwnNetwork(import.meta.filename)) {
  describe('what seats get to see of each other', { concurrency: false, timeout: 30_000 }, () => {
    let directory: string;
    let network: VmNetwork;
    let second: Place;
    const sockets: Socket[] = [];
    before(async () => {
      directory = await mkdtemp(join(tmpdir(), 'clarateach-fences-'));
    });
    beforeEach(async () => {
      network = new VmNetwork({ installation: 'fences', stateDirectory: directory, bridge: BRIDGE });
    });
    afterEach(() => {
      for (const socket of sockets.splice(0)) socket.destroy();
    });
    after(() => rm(directory, { recursive: true, force: true }));
    /** Asks for a connection so many times; without a listener, whoever is there refuses each. */
    const knock = (address: string) =>
      Array.from({ length: KNOCKS }, async () => {
        const socket = connect({ host: address, port: TERMINAL_PORT });
        sockets.push(socket);
        return once(socket, 'close').then(
          () => '',
          (error: NodeJS.ErrnoException) => error.code,
        );
      });
    const refusesAll = async (address: string) =>
      assert.deepEqual(await Promise.all(knock(address)), Array(KNOCKS).fill('ECONNREFUSED'));

    it('is nothing of what the host sends to a seat that has just ended', async () => {
      const ended = await network.attach(FIRST);
      second = await guestPlace(await network.attach(SECOND), GATEWAY);
      // The machine remembers for half a minute who had the address.
      const known = ['neigh', 'replace', FIRST, 'lladdr', ended.mac, 'dev', BRIDGE.name, 'nud', 'permanent'];
      await runProgram('ip', known);
      const overheard = await second.count(`ip daddr ${FIRST}`);
      const own = await second.count(`ip daddr ${SECOND}`);
      await removeLink(ended.port);
      void knock(FIRST);
      await refusesAll(SECOND);
      assert.deepEqual([await overheard(), await own()], [0, KNOCKS]);
    });

    it('is nothing either where an earlier version made the port', async () => {
      const { port } = network.seat(SECOND);
      await runProgram('ip', [
        'link',
        'set',
        'dev',
        port,
        'type',
        'bridge_slave',
        'flood',
        'on',
        'isolated',
        'off',
      ]);
      const overheard = await second.count(`ip daddr ${FIRST}`);
      void knock(FIRST);
      await refusesAll(SECOND);
      assert.equal(await overheard(), KNOCKS, 'the fault can be seen');
      network.adopt([SECOND]);
      await network.keep();
      const quiet = await second.count(`ip daddr ${FIRST}`);
      void knock(FIRST);
      await refusesAll(SECOND);
      assert.equal(await quiet(), 0);
      assert.match(await runProgram('bridge', ['-d', 'link', 'show', 'dev', port]), /isolated on/);
    });

    it('lets the host ask for an address, and a seat for the host’s', async () => {
      await runProgram('ip', ['neigh', 'flush', 'all']);
      await refusesAll(SECOND);
      await second.run('ip', 'neigh', 'flush', 'all');
      assert.doesNotMatch(await second.run('ip', 'neigh', 'show', GATEWAY), /lladdr/);
      await refusesAll(SECOND);
      assert.match(await second.run('ip', 'neigh', 'show', GATEWAY), /lladdr/);
    });
  });
}
