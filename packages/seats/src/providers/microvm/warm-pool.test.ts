import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFile, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { seatName } from '@clarateach/contract/ids';
import type { SeatProvider } from '../../provider.ts';
import { inTerminal } from '../../seat-client.ts';
import { until } from '../local/processes.ts';
import { runProgram } from './run-program.ts';
import {
  IMAGES,
  makeInstallation,
  openMicrovms,
  specOf,
  type TestInstallation,
  whyNoMicrovms,
} from './testing.ts';

const skip = await whyNoMicrovms();
const START_MS = 120_000;
const SEAT_INIT = join(import.meta.dirname, '../../../../../images/microvm/seat-init.sh');
const WARM = 2;
const { signal } = new AbortController();

describe('guests that are kept ready', {
  concurrency: false,
  timeout: 600_000,
  ...(skip === undefined ? {} : { skip: `NOT RUN: ${skip}` }),
}, () => {
  let installation: TestInstallation;
  const reports: string[] = [];
  const seat = (n: number) => ({ workshop: installation.workshop, seat: n });

  before(async () => {
    installation = await makeInstallation();
  });
  after(() => installation?.remove());

  function open(imagesDirectory = IMAGES): Promise<SeatProvider> {
    const { vmm, stateDirectory, name } = installation;
    return openMicrovms({
      ...{ vmm, stateDirectory, installation: name, imagesDirectory, warmSeats: WARM },
      report: (line) => reports.push(line),
    });
  }

  const warmOnes = async () =>
    (await installation.leftovers()).filter((left) => left.startsWith('warm ')).length;

  async function full(provider: SeatProvider): Promise<void> {
    const isFull = async () => provider.ready?.().ready === WARM;
    assert.ok(await until(isFull, { withinMs: START_MS }), reports.join());
  }

  async function started(provider: SeatProvider, n: number) {
    await provider.ensure(specOf(seat(n), { env: { MARK: `it's ${n}` } }), signal);
    const deadline = performance.now() + START_MS;
    for (;;) {
      const seen = await provider.observe(seat(n), signal);
      if (seen.state === 'running' && seen.endpoint.kind === 'tcp') return seen.endpoint;
      assert.ok(performance.now() < deadline && seen.state !== 'exited', JSON.stringify(seen));
      await pause(50);
    }
  }

  test('become the seats that ask, each once, and are replaced', async () => {
    const provider = await open();
    try {
      // The first seat says what is wanted; there is none ready for it.
      await started(provider, 1);
      await full(provider);
      const [two, three] = await Promise.all([started(provider, 2), started(provider, 3)]);
      // Guests that were ready have addresses from the end of the network.
      assert.deepEqual(
        [two.host, three.host].map((host) => Number(host.split('.')[3]) >= 253),
        [true, true],
      );
      const draw =
        'echo $(hostname) $SEAT $(cat /proc/sys/kernel/random/boot_id /etc/machine-id; echo kept >kept.txt)';
      const said = await Promise.all([two, three].map((each) => inTerminal(each, draw, START_MS)));
      const words = said.map((each) => each.split(' '));
      assert.deepEqual(
        [words[0]?.slice(0, 2), words[1]?.slice(0, 2)],
        [
          ['seat-02', '2'],
          ['seat-03', '3'],
        ],
      );
      assert.equal(new Set(words.flatMap((each) => each.slice(2))).size, 4, said.join());
      // The workspace server was there before the seat; its shell knows nothing of that.
      const server = 'tr "\\0" "\\n" </proc/$(pgrep -f server.cjs | head -1)/environ';
      const asked = `echo "$MARK, $(${server} | grep -c ^SEAT_SETTINGS=), $(env | grep -c ^SEAT_SETTINGS=)"`;
      assert.equal(await inTerminal(two, asked, START_MS), "it's 2, 1, 0");
      await full(provider);
      // Of a guest whose root prints without end, the beginning is kept, and it is not taken for one that hangs.
      const run = join(installation.stateDirectory, 'seats', seatName(seat(3)), 'run');
      const log = join(run, 'vm', 'console.log');
      const before = await readFile(join(run, 'process'), 'utf8');
      await appendFile(log, Buffer.alloc(6 * 1024 * 1024, 'noise\n'));
      await provider.ensure(specOf(seat(3)), signal);
      assert.equal((await provider.observe(seat(3), signal)).state, 'running');
      assert.ok((await stat(log)).size < 1024 * 1024);
      await provider.ensure(specOf(seat(3)), signal);
      assert.equal(await readFile(join(run, 'process'), 'utf8'), before);
      // What a seat took stays its own, over a restart too.
      await provider.stop(seat(2), signal);
      assert.equal((await started(provider, 2)).host, two.host);
      assert.equal(await inTerminal(two, 'cat kept.txt', START_MS), 'kept');
      assert.deepEqual(reports, []);
      assert.deepEqual((await provider.list(signal)).map((each) => each.seat).sort(), [1, 2, 3]);
      for (const n of [1, 2, 3]) await provider.destroy(seat(n), signal);
    } finally {
      await provider.close();
    }
    assert.deepEqual(await installation.leftovers(), []);
  });

  test('end when a seat cannot have them whole, and the seat is booted at its own', async () => {
    const provider = await open();
    try {
      await started(provider, 1);
      await full(provider);
      // Of both, so that it is one of them: the disk that would become the seat's.
      const warm = join(installation.stateDirectory, 'warm');
      const ready = await readdir(warm);
      for (const address of ready) await rm(join(warm, address, 'workspace.ext4'));
      const seen = await started(provider, 2);
      assert.equal(await inTerminal(seen, 'hostname', START_MS), 'seat-02');
      assert.match(reports.splice(0).join(), /seat-02 is booted: .*ENOENT/);
      await full(provider);
      const left = await installation.leftovers();
      assert.equal(left.filter((each) => each.startsWith('process ')).length, 2 + WARM, left.join());
      assert.equal(left.includes(`warm ${seen.host}`), false, left.join());
      for (const n of [1, 2]) await provider.destroy(seat(n), signal);
    } finally {
      await provider.close();
    }
    assert.deepEqual(await installation.leftovers(), []);
  });

  test('start an image whose programs cannot wait when somebody has the seat', async () => {
    const imagesDirectory = await mkdtemp(join(tmpdir(), 'clarateach-images-'));
    try {
      await withOtherInit(imagesDirectory);
      const provider = await open(imagesDirectory);
      try {
        await started(provider, 1);
        await full(provider);
        const seen = await started(provider, 2);
        const asked =
          'echo "$(hostname) $SEAT $MARK $(tr "\\0" "\\n" </proc/$(pgrep -f server.cjs | head -1)/environ | grep -c ^SEAT_SETTINGS=)"';
        assert.equal(await inTerminal(seen, asked, START_MS), "seat-02 2 it's 2 0");
        assert.deepEqual(reports, []);
        for (const n of [1, 2]) await provider.destroy(seat(n), signal);
      } finally {
        await provider.close();
      }
      assert.deepEqual(await installation.leftovers(), []);
    } finally {
      await rm(imagesDirectory, { recursive: true, force: true });
    }
  });

  test('end with their server, or when the next one begins', async () => {
    const { stateDirectory, name, workshop } = installation;
    for (const afterMs of [0, 100, 300, 1_000]) {
      const program = join(import.meta.dirname, 'testing-ensure.ts');
      const child = spawn(process.execPath, [program, stateDirectory, name, workshop, `${WARM}`], {
        stdio: ['ignore', 'ignore', 'inherit'],
      });
      const ended = once(child, 'exit');
      // This server knows from the last one what is wanted, and keeps guests ready before anybody asks.
      assert.ok(await until(async () => (await warmOnes()) > 0, { withinMs: START_MS }));
      await pause(afterMs);
      child.kill('SIGKILL');
      await ended;
      const next = await open();
      for (const each of await next.list(signal)) await next.destroy(each, signal);
      await next.close();
      assert.deepEqual(await installation.leftovers(), [], `killed after ${afterMs} ms`);
    }
  });
});

/** Images whose init does not say that it knows of settings that come later. */
async function withOtherInit(directory: string): Promise<void> {
  for (const name of ['vmlinux', 'initrd.cpio']) await symlink(join(IMAGES, name), join(directory, name));
  const disk = join(directory, 'rootfs.ext4');
  await runProgram('cp', ['--sparse=always', join(IMAGES, 'rootfs.ext4'), disk]);
  const init = await readFile(SEAT_INIT, 'utf8');
  const other = join(directory, 'init');
  await writeFile(other, init.replaceAll('SEAT_SETTINGS', 'something'));
  const commands = [
    'rm /usr/sbin/clarateach-init',
    `write ${other} /usr/sbin/clarateach-init`,
    'set_inode_field /usr/sbin/clarateach-init mode 0100755',
  ];
  await runProgram('debugfs', ['-w', '-f', '-', disk], `${commands.join('\n')}\n`);
}
