/** BENCH 5: typists at ten keys a second through the gateway, beside the same seats through nginx and haproxy. */
import { seatHost } from './docker.ts';
import { compare, options, percentile, save } from './harness.ts';
import { startPlatform } from './platform.ts';
import { haproxy, nginx, type PeerProxy } from './proxies.ts';
import { openTerminal, seatAddress } from './terminal.ts';
import { typingAt } from './typing.ts';

const TYPISTS = options.short ? 5 : 50;
const KEYS = options.short ? 10 : 60;

const platform = await startPlatform({ runtime: 'docker' });
const proxies: PeerProxy[] = [];
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
            const { p50, p99 } = await typingAt(
              () => sessions.map((session) => openTerminal(seatAddress(session))),
              KEYS,
            );
            p50s.product.push(p50);
            return p99;
          },
        },
        peer: {
          name: proxy.name,
          async measure() {
            const { p50, p99 } = await typingAt(
              () => hosts.map((_, index) => openTerminal({ url: `${proxy.url}/seat/${index + 1}/terminal` })),
              KEYS,
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
