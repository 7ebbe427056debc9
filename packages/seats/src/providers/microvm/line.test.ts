import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { VmNetwork } from './network.ts';
import { runProgram } from './run-program.ts';
import { farPlace, guestPlace, inOwnNetwork, type Place } from './testing-own-network.ts';

const SEAT = '192.168.100.11';
const FAR = '203.0.113.2';

if (await inOwnNetwork(import.meta.filename)) {
  describe('a seat behind a narrow line', { concurrency: false, timeout: 60_000 }, () => {
    let directory: string;
    let network: VmNetwork;
    let far: Place;
    let guest: Place;
    before(async () => {
      directory = await mkdtemp(join(tmpdir(), 'clarateach-line-'));
      const bridge = { name: 'clarateach0', address: '192.168.100.1/24' };
      network = new VmNetwork({ installation: 'line', stateDirectory: directory, bridge });
      far = await farPlace(FAR);
      await runProgram('ip', ['link', 'set', 'dev', 'up0', 'mtu', '1400']);
      guest = await guestPlace(await network.attach(SEAT), '192.168.100.1');
    });
    after(async () => {
      await network?.detach(SEAT);
      await rm(directory, { recursive: true, force: true });
    });

    it('agrees with a server on packets that fit, both ways', async () => {
      const size = (flags: string, bytes: number) =>
        `tcp flags & (syn | ack) == ${flags} tcp option maxseg size ${bytes}`;
      const asked = await far.count(size('syn', 1_360));
      const answered = await guest.count(size('(syn | ack)', 1_360));
      const tooLarge = await guest.count(size('(syn | ack)', 1_460));
      const call = [`--net=/run/netns/guest-${SEAT}`, 'bash', '-c', `exec 3<>/dev/tcp/${FAR}/8080`];
      const serve = `const server = require('net').createServer().listen(8080, () =>
        require('child_process').execFile('nsenter', ${JSON.stringify(call)}, (error) => process.exit(error ? 1 : 0)));`;
      await far.run(process.execPath, '-e', serve);
      assert.deepEqual([await asked(), await answered(), await tooLarge()], [1, 1, 0]);
    });
  });
}
