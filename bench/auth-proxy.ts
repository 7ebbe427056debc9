/**
 * BENCH 9: HTTP through the gateway, which checks the token of each request, beside nginx and Caddy,
 * which check nothing, to the same upstream; and how soon a freed seat shuts its learner out.
 */
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type GatewayProcess, startGateway } from './gateway.ts';
import { compare, options, percentile, rounds, save } from './harness.ts';
import { caddyToSocket, nginxToSocket, upstreamOnSocket } from './proxies.ts';

const SECONDS = options.short ? 1 : 5;
const CONNECTIONS = 32;
const BODY = 'a file of the learner\n';

interface Load {
  readonly requestsPerSecond: number;
  readonly p99Ms: number;
}

/** Asks the same address from many connections; throws when any answer is not a 200. */
async function load(url: string, headers: Readonly<Record<string, string>>): Promise<Load> {
  const { stdout } = await promisify(execFile)('wrk', [
    ...['-t1', `-c${CONNECTIONS}`, `-d${SECONDS}s`, '--latency'],
    ...Object.entries(headers).flatMap(([name, value]) => ['-H', `${name}: ${value}`]),
    url,
  ]);
  if (/Non-2xx|Socket errors/.test(stdout)) throw new Error(`Not every request was answered:\n${stdout}`);
  const requestsPerSecond = Number(/Requests\/sec:\s+([\d.]+)/.exec(stdout)?.[1]);
  const [, figure, unit] = /99%\s+([\d.]+)(us|ms|s)/.exec(stdout) ?? [];
  const p99Ms = Number(figure) * { us: 0.001, ms: 1, s: 1000 }[unit as 'us' | 'ms' | 's'];
  return { requestsPerSecond, p99Ms };
}

async function answersRight(url: string, headers: Readonly<Record<string, string>> = {}): Promise<void> {
  const body = await (await fetch(url, { headers })).text();
  if (body !== BODY) throw new Error(`${url} answers ${JSON.stringify(body)}.`);
}

/** Milliseconds from the moment a seat is freed to the first refusal of its old token. */
async function shutOut(gateway: GatewayProcess, seat: number): Promise<number> {
  const { path, token } = gateway.seat(seat);
  const ask = async () =>
    (
      await fetch(`http://127.0.0.1:${gateway.port}${path}/files/content?path=f`, {
        headers: { authorization: `Bearer ${token}` },
      })
    ).status;
  if ((await ask()) !== 200) throw new Error('The token does not pass before it is taken back.');
  const began = performance.now();
  gateway.free(seat);
  while ((await ask()) === 200);
  return performance.now() - began;
}

const directory = await mkdtemp(join(tmpdir(), 'clarateach-auth-'));
const socket = join(directory, '3002.sock');
const upstream = await upstreamOnSocket(socket, BODY);
const gateway = await startGateway(directory, rounds + 1);
const peers = [await caddyToSocket(socket), await nginxToSocket(socket)];
try {
  const { path, token } = gateway.seat(1);
  const url = `http://127.0.0.1:${gateway.port}${path}/files/content?path=f`;
  const headers = { authorization: `Bearer ${token}` };
  await answersRight(url, headers);
  if ((await fetch(url, { headers: { authorization: `Bearer ${token}x` } })).status !== 401) {
    throw new Error('A damaged token passes.');
  }
  const results = [];
  for (const peer of peers) {
    const peerUrl = `${peer.url}/files/content?path=f`;
    await answersRight(peerUrl);
    const p99s: Record<'product' | 'peer', number[]> = { product: [], peer: [] };
    const measured = (side: 'product' | 'peer', run: () => Promise<Load>) => async () => {
      const { requestsPerSecond, p99Ms } = await run();
      p99s[side].push(p99Ms);
      return requestsPerSecond;
    };
    results.push(
      await compare({
        name: 'requests with a checked token',
        unit: '/s',
        product: { name: 'ClaraTeach gateway', measure: measured('product', () => load(url, headers)) },
        // The peer is sent the token too: it carries the same bytes.
        peer: { name: peer.name, measure: measured('peer', () => load(peerUrl, headers)) },
        target: peer.name === 'caddy' ? '≥ 1.0' : '≥ 0.5',
      }),
    );
    console.log(
      `  p99: ClaraTeach ${percentile(p99s.product, 0.5).toFixed(2)} ms, ${peer.name} ${percentile(p99s.peer, 0.5).toFixed(2)} ms`,
    );
  }
  const lags: number[] = [];
  for (let round = 1; round <= rounds; round++) lags.push(await shutOut(gateway, round + 1));
  console.log(
    `a freed seat refuses its old token after ${percentile(lags, 0.5).toFixed(1)} ms (at most ${Math.max(...lags).toFixed(1)}; target ≤ 1000)`,
  );
  await save('auth-proxy', results);
} finally {
  await gateway.stop();
  for (const peer of [...peers, upstream]) await peer.stop();
  await rm(directory, { recursive: true, force: true });
}
