import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readlink } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import { seatName } from '@clarateach/contract/ids';
import { TERMINAL_PORT } from '@clarateach/contract/seat-server';
import { ProviderError, type SeatProvider } from '../../provider.ts';
import { inTerminal } from '../../seat-client.ts';
import { makeInstallation, specOf, type TestInstallation, whyNoMicrovms } from './testing.ts';

const run = promisify(execFile);
const skip = await whyNoMicrovms();
const START_MS = 120_000;
const ROUNDS = 20;
/** A network that is nobody's, for documentation (RFC 5737): here the internet. */
const OUTSIDE = { host: '203.0.113.1', far: '203.0.113.2' };
const { signal } = new AbortController();

if (skip !== undefined) {
  test('microVM seats on QEMU: NOT RUN', (context) => {
    console.log(`NOT RUN: microVM seats on QEMU: ${skip}`);
    if (process.env.CI === 'true') assert.fail(`NOT RUN: ${skip}`);
    context.skip(`NOT RUN: ${skip}`);
  });
} else {
  describe('microVM seats on QEMU', { concurrency: false, timeout: 600_000 }, () => {
    let installation: TestInstallation;
    let provider: SeatProvider;
    const seat = (n: number) => ({ workshop: installation.workshop, seat: n });
    const hosts: string[] = [];

    before(async () => {
      installation = await makeInstallation();
      provider = await installation.open();
      hosts.push(...(await Promise.all([1, 2].map((n) => started(n)))));
    });
    after(() => installation.remove());

    async function started(n: number): Promise<string> {
      await provider.ensure(specOf(seat(n)), signal);
      const deadline = performance.now() + START_MS;
      for (;;) {
        const seen = await provider.observe(seat(n), signal);
        if (seen.state === 'running' && seen.endpoint.kind === 'tcp') return seen.endpoint.host;
        assert.ok(performance.now() < deadline && seen.state !== 'exited', JSON.stringify(seen));
        await pause(50);
      }
    }

    const inSeat = (n: number, command: string) =>
      inTerminal({ kind: 'tcp', host: hosts[n - 1] ?? '' }, command, START_MS);

    /** Which of the `address/port` a program in the seat can open a connection to. */
    async function reached(n: number, targets: readonly string[]): Promise<string[]> {
      const tries = targets.map(
        (target) => `(timeout 10 bash -c '</dev/tcp/${target}' 2>/dev/null && echo ${target}) &`,
      );
      const answer = await inSeat(n, `echo $(${tries.join(' ')} wait)`);
      return answer.split(' ').filter((word) => word !== '');
    }

    test('reach the internet under the host’s address, and nothing of ours', async () => {
      const namespace = `ct-outside-${process.pid}`;
      const here: Server = createServer((socket) => socket.end());
      here.listen(0, '0.0.0.0');
      await once(here, 'listening');
      const { port } = here.address() as { port: number };
      await run('ip', ['netns', 'add', namespace]);
      try {
        const far = await outside(namespace);
        try {
          const gateway = (hosts[0] ?? '').replace(/\d+$/, '1');
          const forbidden = [
            `${hosts[1]}/${TERMINAL_PORT}`,
            `${gateway}/${port}`,
            `${OUTSIDE.host}/${port}`,
            '169.254.169.254/80',
          ];
          assert.deepEqual(await reached(1, [`${OUTSIDE.far}/80`, ...forbidden]), [`${OUTSIDE.far}/80`]);
          assert.equal(await far.caller(), OUTSIDE.host);
        } finally {
          await far.close();
        }
      } finally {
        await run('ip', ['netns', 'delete', namespace]);
        here.close();
      }
    });

    test('show the host the ports of the platform and no other', async () => {
      await inSeat(1, '(python3 -m http.server 8000 >/dev/null 2>&1 &) ; echo up');
      const deadline = performance.now() + START_MS;
      const waiting = (what: string) => assert.ok(performance.now() < deadline, what);
      while ((await reached(1, ['127.0.0.1/8000'])).length === 0) waiting('nothing listens');
      const from = async (port: number) =>
        run('timeout', ['3', 'bash', '-c', `</dev/tcp/${hosts[0]}/${port}`]).then(
          () => true,
          () => false,
        );
      // In software a guest that is busy takes its time to accept.
      while (!(await from(TERMINAL_PORT))) waiting('the terminal is shut');
      assert.equal(await from(8000), false);
    });

    test('run as learner, without rights, in a VM that is nobody of the host', async () => {
      assert.equal(await inSeat(1, 'id -un'), 'learner');
      assert.match(await inSeat(1, 'grep CapBnd /proc/self/status'), /0000000000000000$/);
      assert.equal(await inSeat(1, 'cat /run/clarateach/environment /dev/vda 2>/dev/null | wc -c'), '0');
      const { stdout } = await run('ps', ['-eo', 'uid,pid,args']);
      const line = stdout.split('\n').find((each) => each.includes(seatName(seat(1))));
      const [uid, pid] = line?.trim().split(/\s+/) ?? [];
      assert.ok(Number(uid) >= 1_900_000_000, stdout);
      const own = await readlink('/proc/self/ns/net');
      assert.notEqual(await readlink(`/proc/${pid}/ns/net`), own, 'nor in the host’s network');
      for (const fd of await readdir(`/proc/${pid}/fd`)) {
        assert.notEqual(await readlink(`/proc/${pid}/fd/${fd}`).catch(() => ''), own, 'nor with a way there');
      }
    });

    test('draw random numbers and boot ids of their own, and know the time', async () => {
      const draw =
        "echo $(head -c 16 /dev/urandom | od -An -tx1 | tr -d ' ') $(cat /proc/sys/kernel/random/boot_id)";
      const [one, two] = await Promise.all([inSeat(1, draw), inSeat(2, draw)]);
      const words = [...one.split(' '), ...two.split(' ')];
      assert.equal(new Set(words).size, 4, words.join());
      const seconds = Number(await inSeat(1, 'date +%s'));
      assert.ok(Math.abs(seconds - Date.now() / 1000) < 30, `${seconds}`);
    });

    test('get their rules back when somebody has flushed them', async () => {
      const { stdout } = await run('nft', ['list', 'tables', 'inet']);
      const table = stdout.split('\n').find((line) => installation.owns(line));
      assert.ok(table, stdout);
      await run('nft', ['delete', ...table.split(' ')]);
      const deadline = performance.now() + 30_000;
      for (;;) {
        await provider.observe(seat(1), signal);
        if ((await run('nft', ['list', 'tables', 'inet'])).stdout.includes(table)) break;
        assert.ok(performance.now() < deadline, 'the rules stay away');
        await pause(200);
      }
    });

    test('are found by the next server when one is killed while it starts them', async () => {
      await Promise.all([1, 2].map((n) => provider.destroy(seat(n), signal)));
      for (const afterMs of [0, 30, 60, 120, 250, 500, 1_500]) {
        await killedWhileStarting(afterMs);
        const next = await installation.open();
        for (const each of await next.list(signal)) await next.destroy(each, signal);
        assert.deepEqual(await installation.leftovers(), [], `killed after ${afterMs} ms`);
      }
    });

    async function killedWhileStarting(afterMs: number): Promise<void> {
      const { stateDirectory, name, workshop } = installation;
      const program = join(import.meta.dirname, 'testing-ensure.ts');
      const child = spawn(process.execPath, [program, stateDirectory, name, workshop], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      const ended = once(child, 'exit');
      await Promise.race([once(child.stdout, 'data'), ended]);
      await Promise.race([pause(afterMs), ended]);
      child.kill('SIGKILL');
      await ended;
    }

    test('do not touch a network interface that belongs to somebody else', async () => {
      const other = await makeInstallation();
      try {
        const refused = await other.open({ name: 'lo', address: '192.168.250.1/24' });
        await assert.rejects(
          refused.ensure(specOf({ workshop: other.workshop, seat: 1 }), signal),
          (error) =>
            error instanceof ProviderError && error.kind === 'rejected' && /BRIDGE_NAME/.test(error.message),
        );
        await refused.destroy({ workshop: other.workshop, seat: 1 }, signal);
        assert.deepEqual(await other.leftovers(), []);
      } finally {
        await other.remove();
      }
    });

    test('leave nothing after rounds of creation and destruction', async () => {
      for (let round = 0; round < ROUNDS; round += 1) {
        await provider.ensure(specOf(seat(1)), signal);
        assert.ok((await installation.leftovers()).some((left) => left.startsWith('port ')));
        await provider.destroy(seat(1), signal);
        assert.deepEqual(await installation.leftovers(), []);
      }
    });
  });
}

/** A host outside, in a network namespace: it takes connections on port 80 and tells who called. */
async function outside(namespace: string): Promise<{ caller(): Promise<string>; close(): Promise<void> }> {
  const inside = ['netns', 'exec', namespace];
  const link = `cto${process.pid}`;
  const commands = [
    ['link', 'add', link, 'type', 'veth', 'peer', 'name', 'far0', 'netns', namespace],
    ['address', 'add', `${OUTSIDE.host}/24`, 'dev', link],
    ['link', 'set', link, 'up'],
    [...inside, 'ip', 'address', 'add', `${OUTSIDE.far}/24`, 'dev', 'far0'],
    [...inside, 'ip', 'link', 'set', 'far0', 'up'],
  ];
  for (const command of commands) await run('ip', command);
  const script = `require('net').createServer((s) => { console.log(s.remoteAddress.replace('::ffff:', '')); s.end(); }).listen(80, '0.0.0.0', () => console.log('listens'))`;
  const child = spawn('ip', [...inside, process.execPath, '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let said = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (said += text));
  const line = async (n: number) => {
    const deadline = performance.now() + 20_000;
    while (said.split('\n').length <= n + 1) {
      assert.ok(performance.now() < deadline, `outside says ${said}`);
      await pause(20);
    }
    return said.split('\n')[n] ?? '';
  };
  await line(0);
  return {
    caller: () => line(1),
    close: async () => {
      child.kill('SIGKILL');
      await once(child, 'exit');
      // Its deletion with the namespace alone would come some time later.
      await run('ip', ['link', 'delete', 'dev', link]);
    },
  };
}
