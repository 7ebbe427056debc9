/** BENCH 5: typists at ten keys a second through the gateway, beside the same seats through nginx and haproxy. */
import { seatHost } from './docker.ts';
import { compare, options, percentile, save } from './harness.ts';
import { startPlatform } from './platform.ts';
import { haproxy, nginx, type SeatProxy } from './proxies.ts';
import { openTerminal, seatAddress, type Terminal } from './terminal.ts';

const TYPISTS = options.short ? 5 : 50;
const KEYS = options.short ? 10 : 60;
const BETWEEN_KEYS_MS = 100;

/** Milliseconds from each key to its echo. */
async function typing(terminals: readonly Terminal[]): Promise<number[]> {
  const latencies = await Promise.all(
    terminals.map(async (terminal, index) => {
      const own: number[] = [];
      // Spread over the interval, as fifty people are.
      await new Promise((resolve) => setTimeout(resolve, (index / terminals.length) * BETWEEN_KEYS_MS));
      for (let key = 0; key < KEYS; key++) {
        const letter = String.fromCharCode(97 + (key % 26));
        const next = new Promise((resolve) => setTimeout(resolve, BETWEEN_KEYS_MS));
        const began = performance.now();
        const echoed = terminal.until((chunk) => chunk.includes(letter));
        terminal.write(letter);
        await echoed;
        own.push(performance.now() - began);
        await next;
      }
      return own;
    }),
  );
  return latencies.flat();
}

async function typingAt(open: () => Promise<Terminal>[]): Promise<{ p50: number; p99: number }> {
  const terminals = await Promise.all(open());
  await Promise.all(
    terminals.map(async (terminal) => {
      const cleared = terminal.shows('42-ready');
      terminal.write('\u0015clear; echo $((6*7))-ready\r');
      await cleared;
    }),
  );
  const latencies = await typing(terminals);
  await Promise.all(terminals.map((terminal) => terminal.close()));
  return { p50: percentile(latencies, 0.5), p99: percentile(latencies, 0.99) };
}

const platform = await startPlatform({ runtime: 'docker' });
const proxies: SeatProxy[] = [];
try {
  const workshop = await platform.workshop(TYPISTS);
  const sessions = await Promise.all(
    workshop.seats.map(({ seat }) => platform.join(workshop.code, `Typist ${seat}`)),
  );
  const hosts = await Promise.all(workshop.seats.map(({ seat }) => seatHost(workshop, seat)));
  proxies.push(await nginx(hosts), await haproxy(hosts));

  const results = [];
  for (const proxy of proxies) {
    const p50s: Record<'product' | 'peer', number[]> = { product: [], peer: [] };
    results.push(
      await compare({
        name: `echo p99 of ${TYPISTS} typists`,
        unit: 'ms',
        product: {
          name: 'ClaraTeach gateway',
          async measure() {
            const { p50, p99 } = await typingAt(() =>
              sessions.map((session) => openTerminal(seatAddress(session))),
            );
            p50s.product.push(p50);
            return p99;
          },
        },
        peer: {
          name: proxy.name,
          async measure() {
            const { p50, p99 } = await typingAt(() =>
              hosts.map((_, index) => openTerminal({ url: `${proxy.url}/seat/${index + 1}/terminal` })),
            );
            p50s.peer.push(p50);
            return p99;
          },
        },
        target: '≤ 1.0 of nginx',
      }),
    );
    console.log(
      `  p50: ClaraTeach ${percentile(p50s.product, 0.5).toFixed(2)} ms, ${proxy.name} ${percentile(p50s.peer, 0.5).toFixed(2)} ms`,
    );
  }
  await save('echo', results);
} finally {
  for (const proxy of proxies) await proxy.stop();
  await platform.stop();
}
