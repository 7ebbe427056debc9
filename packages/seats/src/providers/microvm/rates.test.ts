import assert from 'node:assert/strict';
import { createConnection } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { BROWSER_PORT } from '@clarateach/contract/seat-server';
import type { SeatProvider } from '../../provider.ts';
import { inTerminal } from '../../seat-client.ts';
import { qemu } from './qemu.ts';
import { SEAT_RATES, type SeatRates } from './rates.ts';
import {
  IMAGES,
  makeInstallation,
  openMicrovms,
  specOf,
  type TestInstallation,
  whyNoMicrovms,
} from './testing.ts';

const skip = await whyNoMicrovms();
const MIB = 1024 * 1024;
const START_MS = 240_000;
const MEASURED_MS = 8_000;
/** Far below what a guest can do in software, so that a rate that is not kept shows. */
const RATES: SeatRates = {
  disk: { bytes: { perSecond: MIB, burst: 4 * MIB }, requests: SEAT_RATES.disk.requests },
  network: { bytes: { perSecond: MIB, burst: 4 * MIB } },
};
const { signal } = new AbortController();

describe('what a seat takes of disk and network', {
  concurrency: false,
  timeout: 900_000,
  ...(skip === undefined ? {} : { skip: `NOT RUN: ${skip}` }),
}, () => {
  let installation: TestInstallation;
  let provider: SeatProvider;
  let host: string;

  before(async () => {
    installation = await makeInstallation();
    const { stateDirectory, name, workshop } = installation;
    provider = await openMicrovms({
      vmm: await qemu('emulation', RATES),
      ...{ stateDirectory, installation: name, imagesDirectory: IMAGES },
    });
    const id = { workshop, seat: 1 };
    await provider.ensure(specOf(id), signal);
    const deadline = performance.now() + START_MS;
    for (;;) {
      const seen = await provider.observe(id, signal);
      if (seen.state === 'running' && seen.endpoint.kind === 'tcp') {
        host = seen.endpoint.host;
        return;
      }
      assert.ok(performance.now() < deadline && seen.state !== 'exited', JSON.stringify(seen));
      await pause(50);
    }
  });
  after(async () => {
    await provider?.close();
    await installation?.remove();
    if (installation) assert.deepEqual(await installation.leftovers(), []);
  });

  const shell = (command: string) => inTerminal({ kind: 'tcp', host }, command, START_MS);

  /** Not above the burst and the rate since, with a little for what is under way. */
  function assertWithin(bytes: number, elapsedMs: number, what: string, underWay = MIB): void {
    const most = 4 * MIB + (elapsedMs / 1000) * MIB;
    assert.ok(bytes <= most * 1.1 + underWay, `${what}: ${bytes} bytes in ${elapsedMs} ms, at most ${most}`);
    assert.ok(bytes > MIB, `${what}: only ${bytes} bytes`);
  }

  test('a learner who writes as fast as the disk takes it is held to its rate', async () => {
    const began = performance.now();
    const said = await shell(
      `timeout ${MEASURED_MS / 1000} dd if=/dev/zero of=big bs=64k count=8000 oflag=direct 2>/dev/null; stat -c %s big; rm big`,
    );
    assertWithin(Number(said), performance.now() - began, 'written');
  });

  test('a learner who downloads and uploads as fast as it goes is held to the rate each way', async () => {
    const server = [
      'import os, socket, threading',
      's = socket.create_server(("0.0.0.0", PORT))',
      'def flood(c):',
      '  try:',
      '    while True: c.sendall(bytes(65536))',
      '  except OSError: pass',
      'while True:',
      '  c = s.accept()[0]',
      '  if c.recv(1) == b"u": threading.Thread(target=flood, args=(c,)).start()',
      '  else: threading.Thread(target=lambda c=c: [None for _ in iter(lambda: c.recv(65536), b"")]).start()',
    ].map((line) => line.replace('PORT', `${BROWSER_PORT}`));
    await shell(`printf '%s\\n' ${server.map((line) => `'${line}'`).join(' ')} >/tmp/flood.py; echo written`);
    await shell('(setsid python3 /tmp/flood.py >/dev/null 2>&1 &) ; echo begun');
    const up = await transferred('u');
    assertWithin(up.bytes, up.elapsedMs, 'from the seat');
    const down = await transferred('d');
    // What this machine's socket holds has been written, and not sent.
    assertWithin(down.bytes, down.elapsedMs, 'to the seat', 8 * MIB);
  });

  async function transferred(direction: 'u' | 'd'): Promise<{ bytes: number; elapsedMs: number }> {
    const socket = await connected();
    const began = performance.now();
    let bytes = 0;
    socket.on('error', () => {});
    socket.write(direction);
    if (direction === 'u') {
      socket.on('data', (data) => {
        bytes += data.length;
      });
    } else {
      const block = Buffer.alloc(64 * 1024);
      const sent = () => {
        bytes += block.length;
      };
      const more = (): void => {
        while (!socket.destroyed && socket.write(block, sent));
      };
      socket.on('drain', more);
      more();
    }
    await pause(MEASURED_MS);
    const elapsedMs = performance.now() - began;
    socket.destroy();
    return { bytes, elapsedMs };
  }

  async function connected() {
    const deadline = performance.now() + START_MS;
    for (;;) {
      const socket = createConnection({ host, port: BROWSER_PORT });
      const open = await new Promise<boolean>((resolve) => {
        socket.once('connect', () => resolve(true));
        socket.once('error', () => resolve(false));
      });
      if (open) return socket;
      assert.ok(performance.now() < deadline, 'the seat answers');
      await pause(100);
    }
  }
});
