import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { IP_FORWARD } from '@clarateach/seats/providers/microvm/links';
import { VmNetwork } from '@clarateach/seats/providers/microvm/network';
import { inOwnNetwork } from '@clarateach/seats/providers/microvm/testing-own-network';
import { runCli } from '../testing/run-cli.ts';
import { writeSetupRecord } from './setup-record.ts';

if (await inOwnNetwork(import.meta.filename)) {
  describe('clarateach microvm setup --undo', { concurrency: false, timeout: 60_000 }, () => {
    let directory: string;
    before(async () => {
      directory = await mkdtemp(join(tmpdir(), 'clarateach-undo-'));
    });
    after(() => rm(directory, { recursive: true, force: true }));
    const undo = async () => {
      const { code, stderr, stdout } = await runCli(['microvm', 'setup', '--undo'], {
        env: { IMAGES_DIR: join(directory, 'images') },
      });
      assert.equal(code, 0, stderr);
      return `${stdout}${stderr}`;
    };
    const forwards = async () => (await readFile(IP_FORWARD, 'utf8')).trim();

    test('leaves forwarding on while seats run, and takes it back when it is run after the last', async () => {
      await writeSetupRecord(join(directory, 'images'), { packages: [], ipForward: '0' });
      await writeFile(IP_FORWARD, '1');
      const seats = new VmNetwork({ installation: 'undo', stateDirectory: directory, bridge: undefined });
      const { name, network } = await seats.bridge();
      const seat = network.address.replace(/\.1$/, '.11');
      await seats.attach(seat);
      assert.match(await undo(), new RegExp(`stays on: seats run on ${name}\\..*again`));
      assert.equal(await forwards(), '1');
      await seats.detach(seat);
      assert.match(await undo(), /forwards no packets any more/);
      assert.equal(await forwards(), '0');
      assert.deepEqual(await readdir(join(directory, 'images')), []);
    });
  });
}
