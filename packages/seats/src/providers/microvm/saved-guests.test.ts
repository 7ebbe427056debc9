import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import type { SeatProvider } from '../../provider.ts';
import { inTerminal } from '../../seat-client.ts';
import { until } from '../local/processes.ts';
import { SAVED_GUESTS } from './saved-guests.ts';
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
const COPIES = 5;
const { signal } = new AbortController();

describe('seats that are copies of one saved guest', {
  concurrency: false,
  timeout: 600_000,
  ...(skip === undefined ? {} : { skip: `NOT RUN: ${skip}` }),
}, () => {
  let installation: TestInstallation;
  let provider: SeatProvider;
  const reports: string[] = [];
  const seat = (n: number) => ({ workshop: installation.workshop, seat: n });

  before(async () => {
    installation = await makeInstallation();
    provider = await open(IMAGES);
  });
  after(async () => {
    await provider?.close();
    await installation?.remove();
  });

  function open(imagesDirectory: string): Promise<SeatProvider> {
    const { vmm, stateDirectory, name } = installation;
    return openMicrovms({
      ...{ vmm, stateDirectory, installation: name, imagesDirectory },
      report: (line) => reports.push(line),
    });
  }

  async function started(own: SeatProvider, n: number): Promise<string> {
    await own.ensure(specOf(seat(n)), signal);
    const deadline = performance.now() + START_MS;
    for (;;) {
      const seen = await own.observe(seat(n), signal);
      if (seen.state === 'running' && seen.endpoint.kind === 'tcp') return seen.endpoint.host;
      assert.ok(performance.now() < deadline && seen.state !== 'exited', JSON.stringify(seen));
      await pause(50);
    }
  }

  /** Images of their own directory, the same files. */
  async function imagesBeside(): Promise<string> {
    const directory = await mkdtemp(join(tmpdir(), 'clarateach-images-'));
    for (const name of ['vmlinux', 'initrd.cpio', 'rootfs.ext4']) {
      await symlink(join(IMAGES, name), join(directory, name));
    }
    return directory;
  }

  test('draw no number that another draws, and are themselves', async () => {
    // What each program of a seat begins with: the kernel's numbers, Node's, Python's, the shell's, a new key.
    const draws = [
      'cat /proc/sys/kernel/random/uuid',
      'cat /proc/sys/kernel/random/boot_id',
      'cat /etc/machine-id',
      "head -c 16 /dev/urandom | od -An -tx1 | tr -d ' '",
      "node -p \"crypto.randomBytes(16).toString('hex') + ' ' + Math.random()\"",
      "python3 -c 'import random; print(random.random())'",
      'echo $RANDOM$RANDOM$RANDOM',
      "ssh-keygen -q -t ed25519 -N '' -f /tmp/key && cut -d ' ' -f 2 /tmp/key.pub",
    ];
    const drawn: string[][] = [];
    for (let n = 1; n <= COPIES; n += 1) {
      const host = await started(provider, n);
      const endpoint = { kind: 'tcp', host } as const;
      const command = `echo $(hostname) $(date +%s) ${draws.map((each) => `$(${each})`).join(' ')}`;
      const [hostname, seconds, ...words] = (await inTerminal(endpoint, command, START_MS)).split(' ');
      assert.equal(hostname, `seat-0${n}`);
      assert.ok(Math.abs(Number(seconds) - Date.now() / 1000) < 30, `${seconds}`);
      assert.equal(words.length, draws.length + 1, words.join(' '));
      drawn.push(words);
    }
    const all = drawn.flat();
    assert.equal(new Set(all).size, all.length, JSON.stringify(drawn));
    assert.deepEqual(reports, [], 'all of them are copies');
    for (let n = 1; n <= COPIES; n += 1) await provider.destroy(seat(n), signal);
    assert.deepEqual(await installation.leftovers(), []);
  });

  test('are booted, with the reason, where the saved guest is damaged', async () => {
    const images = await imagesBeside();
    try {
      await cp(join(IMAGES, SAVED_GUESTS), join(images, SAVED_GUESTS), { recursive: true });
      for (const name of await readdir(join(images, SAVED_GUESTS))) {
        await truncate(join(images, SAVED_GUESTS, name, 'state'), 30_000);
      }
      const own = await open(images);
      try {
        reports.length = 0;
        const endpoint = { kind: 'tcp', host: await started(own, 1) } as const;
        assert.equal(await inTerminal(endpoint, 'hostname', START_MS), 'seat-01');
        assert.match(reports.join('\n'), /seat-01 is booted: /);
        await own.destroy(seat(1), signal);
        assert.deepEqual(await installation.leftovers(), []);
      } finally {
        await own.close();
      }
    } finally {
      await rm(images, { recursive: true, force: true });
    }
  });

  test('come from a second guest where the first one hangs', async () => {
    const images = await imagesBeside();
    try {
      const own = await open(images);
      try {
        reports.length = 0;
        const coming = started(own, 1);
        let hung = 0;
        const found = async () => {
          const left = await installation.leftovers();
          hung = Number(left.find((each) => each.startsWith('process '))?.split(' ')[1]);
          if (!(hung > 0)) return false;
          // Before that it makes its namespace: stopped there, it would be no VM that hangs.
          return (await readFile(`/proc/${hung}/comm`, 'utf8').catch(() => '')).startsWith('qemu');
        };
        assert.ok(await until(found, { withinMs: START_MS }), 'a guest is being saved');
        process.kill(hung, 'SIGSTOP');
        const endpoint = { kind: 'tcp', host: await coming } as const;
        assert.equal(await inTerminal(endpoint, 'hostname', START_MS), 'seat-01');
        assert.deepEqual(reports, []);
        await own.destroy(seat(1), signal);
      } finally {
        await own.close();
      }
      assert.deepEqual(await installation.leftovers(), []);
    } finally {
      await rm(images, { recursive: true, force: true });
    }
  });

  test('leave nothing of a guest whose saving was cut short, and take none of other images', async () => {
    const images = await imagesBeside();
    try {
      const stale = join(images, SAVED_GUESTS, '0123456789abcdef01234567');
      await mkdir(stale, { recursive: true });
      // Of a root disk that has been replaced since.
      const was = { kernel: join(images, 'vmlinux'), initrd: join(images, 'initrd.cpio'), rootfs: images };
      await writeFile(join(stale, 'made-from'), JSON.stringify({ images: was, identity: 'other' }));
      const { stateDirectory, name, workshop } = installation;
      const program = join(import.meta.dirname, 'testing-ensure.ts');
      const child = spawn(process.execPath, [program, stateDirectory, name, workshop], {
        stdio: ['ignore', 'ignore', 'inherit'],
        env: { ...process.env, IMAGES_DIR: images },
      });
      const ended = once(child, 'exit');
      const isSaving = async () =>
        (await installation.leftovers()).some((left) => left.startsWith('process '));
      assert.ok(await until(isSaving, { withinMs: START_MS }), 'a guest is being saved');
      child.kill('SIGKILL');
      await ended;
      const next = await open(images);
      for (const each of await next.list(signal)) await next.destroy(each, signal);
      await next.close();
      assert.deepEqual(await installation.leftovers(), []);
      assert.deepEqual(await readdir(join(images, SAVED_GUESTS)), []);
    } finally {
      await rm(images, { recursive: true, force: true });
    }
  });
});
