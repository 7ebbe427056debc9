/**
 * BENCH 12: a learner's first visit with an empty cache, from the join page to the first character
 * they typed, beside a page with nothing but xterm.js on the same seat.
 */
import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { brotliCompressSync } from 'node:zlib';
import type { SeatSession } from '@clarateach/contract/join';
import { TERMINAL_PROTOCOL } from '@clarateach/contract/terminal';
import type { Browser, Page } from 'playwright-core';
import { launchChromium } from './chromium.ts';
import { compare, percentile, rounds, save } from './harness.ts';
import { startPlatform } from './platform.ts';
import { seatAddress } from './terminal.ts';

interface Visit {
  /** From the first request to the character on the screen. */
  readonly ms: number;
  /** What went over the wire until the terminal could be used, compressed as it was. */
  readonly kilobytes: number;
}

/** Opens a page in a fresh profile; `typed` says where the terminal is and resolves when it can be used. */
async function visit(browser: Browser, url: string, ready: (page: Page) => Promise<void>): Promise<Visit> {
  const context = await browser.newContext();
  try {
    const page = await context.newPage();
    const network = await context.newCDPSession(page);
    await network.send('Network.enable');
    let bytes = 0;
    let kilobytes: number | undefined;
    network.on('Network.loadingFinished', ({ encodedDataLength }) => {
      bytes += encodedDataLength;
    });
    const answered = Promise.withResolvers<void>();
    network.on('Network.webSocketFrameReceived', ({ response }) => {
      // The first is the terminal's: it can be typed into.
      kilobytes ??= bytes / 1000;
      if (Buffer.from(response.payloadData, 'base64').includes('42-typed')) answered.resolve();
    });
    const began = performance.now();
    await page.goto(url, { waitUntil: 'commit' });
    await ready(page);
    await page.keyboard.type('echo $((6*7))-typed');
    await page.keyboard.press('Enter');
    await answered.promise;
    // What has come is on the screen with the next frame.
    await page.evaluate('new Promise(requestAnimationFrame)');
    return { ms: performance.now() - began, kilobytes: kilobytes ?? bytes / 1000 };
  } finally {
    await context.close();
  }
}

/** The page of the peer, compressed as well as can be. */
function startBarePage(): Promise<{ server: Server; origin: string }> {
  const css = readFileSync(fileURLToPath(import.meta.resolve('@xterm/xterm/css/xterm.css')), 'utf8');
  const script = readFileSync(fileURLToPath(import.meta.resolve('@xterm/xterm/lib/xterm.js')), 'utf8');
  const page = `<!doctype html><title>Terminal</title><style>${css}</style><div id="t"></div>
    <script>${script}</script><script>
    const { url, token } = JSON.parse(decodeURIComponent(location.hash.slice(1)));
    const terminal = new Terminal({ cols: 100, rows: 30 });
    terminal.open(document.getElementById('t'));
    const socket = new WebSocket(url.replace(/^http/, 'ws'), ['${TERMINAL_PROTOCOL}', 'bearer.' + token]);
    socket.binaryType = 'arraybuffer';
    socket.onopen = () => socket.send(JSON.stringify({ type: 'attach', cols: 100, rows: 30, after: 0, mode: 'write' }));
    socket.onmessage = ({ data }) => {
      if (typeof data === 'string') { terminal.focus(); document.title = 'ready'; return; }
      terminal.write(new Uint8Array(data));
      socket.send(JSON.stringify({ type: 'ack', bytes: data.byteLength }));
    };
    const encoder = new TextEncoder();
    terminal.onData((text) => socket.send(encoder.encode(text)));
    </script>`;
  const body = brotliCompressSync(page);
  const server = createServer((req, res) => {
    if (req.url !== '/') {
      res.writeHead(404).end();
      return;
    }
    res.writeHead(200, { 'content-type': 'text/html; charset=utf-8', 'content-encoding': 'br' });
    res.end(body);
  });
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      resolve({ server, origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}` });
    });
  });
}

const bare = await startBarePage();
process.env.CORS_ORIGINS = bare.origin;
const platform = await startPlatform({ runtime: 'local' });
const browser = await launchChromium();
try {
  const workshop = await platform.workshop(rounds + 1);
  const joined: SeatSession = await platform.join(workshop.code, 'Ada');
  const kilobytes: Record<'product' | 'peer', number[]> = { product: [], peer: [] };
  const measured = (side: 'product' | 'peer', go: () => Promise<Visit>) => async () => {
    const visited = await go();
    kilobytes[side].push(visited.kilobytes);
    return visited.ms;
  };
  const result = await compare({
    name: 'first visit to the first command',
    unit: 'ms',
    product: {
      name: 'ClaraTeach from the join page',
      measure: measured('product', () =>
        visit(browser, `${platform.url}/join/${workshop.code}`, async (page) => {
          await page.getByLabel('Your name').fill('Ada');
          await page.getByRole('button', { name: 'Join' }).click();
          await page.getByText('Connected', { exact: true }).waitFor();
          await page.locator('.xterm-helper-textarea').focus();
        }),
      ),
    },
    peer: {
      name: 'a page with xterm.js alone',
      measure: measured('peer', () =>
        visit(
          browser,
          `${bare.origin}/#${encodeURIComponent(JSON.stringify(seatAddress(joined)))}`,
          async (page) => {
            await page.waitForFunction("document.title === 'ready'");
          },
        ),
      ),
    },
    target: 'none; ≤ 200 KB before the terminal works',
  });
  for (const side of ['product', 'peer'] as const) {
    console.log(
      `  ${result[side].name}: ${percentile(kilobytes[side], 0.5).toFixed(0)} KB before the terminal works`,
    );
  }
  await save('web', [result]);
} finally {
  await browser.close();
  bare.server.close();
  await platform.stop();
}
