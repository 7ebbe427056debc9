import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { networkInterfaces } from 'node:os';
import { after, before, beforeEach, describe, test } from 'node:test';
import { seatName } from '@clarateach/contract/ids';
import type Dockerode from 'dockerode';
import type { SeatProvider } from '../../provider.ts';
import { dockerProvider } from './docker.ts';
import { ENGINE_SOCKET, engineClient } from './engine.ts';
import {
  eventually,
  leftOvers,
  observed,
  randomWorkshop,
  removeLeftOvers,
  runIn,
  runInSeat,
  SEAT_IMAGE,
  specOf,
  TEST_DEADLINE_MS,
  whyNot,
} from './testing.ts';

const docker = engineClient(ENGINE_SOCKET);
const reason = await whyNot(docker);
if (reason) console.log(`NOT RUN: docker network: ${reason}`);

/** A machine beyond the host that answers HTTP and DNS at each of these addresses. */
const PUBLIC = '203.0.113.2';
const NAME_SERVER = '10.254.99.2';
const FORBIDDEN = [
  NAME_SERVER,
  '172.31.254.2',
  '192.168.254.2',
  '100.64.99.2',
  '169.254.169.254',
  '198.18.99.2',
];
const outside = process.getuid?.() === 0 && reason === undefined;
if (!outside)
  console.log('NOT RUN: docker network, the internet and private ranges: needs root to make a network');

describe('the network of a docker seat, seen from inside', { skip: reason ?? false }, () => {
  const workshop = randomWorkshop();
  const installation = `network-${workshop}`;
  const [seat, neighbour] = [1, 2].map((number) => ({ workshop, seat: number })) as [SeatOf, SeatOf];
  type SeatOf = { workshop: typeof workshop; seat: number };
  /** One for each test: they wait for each other, and for a machine in use. */
  let signal = AbortSignal.timeout(TEST_DEADLINE_MS);
  const onHost = createServer((_, response) => response.end('host'));
  const reach = (url: string) => runInSeat(docker, seat, `curl -s --noproxy '*' -m 2 ${url}`);
  let provider: SeatProvider;
  let addresses: [string, string];
  let removeOutside = () => {};

  before(async () => {
    if (outside) removeOutside = await makeOutside();
    await new Promise<void>((resolve) => onHost.listen(0, '0.0.0.0', resolve));
    provider = await dockerProvider({
      image: SEAT_IMAGE,
      installation,
      ...(outside ? { resolvers: [NAME_SERVER] } : {}),
    });
    await Promise.all([seat, neighbour].map((id) => provider.ensure(specOf(id), signal)));
    const running = await Promise.all([seat, neighbour].map((id) => observed(provider, id, 'running')));
    addresses = running.map(({ endpoint }) => (endpoint.kind === 'tcp' ? endpoint.host : '')) as [
      string,
      string,
    ];
  });
  beforeEach(() => {
    signal = AbortSignal.timeout(TEST_DEADLINE_MS);
  });
  after(async () => {
    signal = AbortSignal.timeout(TEST_DEADLINE_MS);
    onHost.close();
    removeOutside();
    await Promise.all([seat, neighbour].map((id) => provider.destroy(id, signal)));
    await provider.close();
    const left = await leftOvers(docker, installation);
    await removeLeftOvers(docker, installation);
    assert.deepEqual(left, []);
  });

  test('it has a network of its own, of eight addresses', async () => {
    const networks: Dockerode.NetworkInspectInfo[] = await Promise.all(
      [seat, neighbour].map((id) => docker.getNetwork(seatName(id)).inspect()),
    );
    const subnets = networks.map(({ IPAM }) => IPAM?.Config?.[0]?.Subnet ?? '');
    assert.match(subnets[0] ?? '', /\/29$/);
    assert.equal(new Set(subnets).size, 2);
    assert.deepEqual(
      networks.map(({ Containers }) => Object.keys(Containers ?? {}).length),
      [1, 1],
    );
  });

  test('it cannot reach another seat, which the host can', async () => {
    assert.equal((await fetch(`http://${addresses[1]}:3001/health`)).status, 200);
    assert.notEqual((await reach(`http://${addresses[1]}:3001/health`)).code, 0);
    assert.equal((await reach(`http://${addresses[0]}:3001/health`)).code, 0);
  });

  test('it cannot reach the host, by any of its addresses', async () => {
    const { port } = onHost.address() as AddressInfo;
    const own = Object.values(networkInterfaces())
      .flat()
      .filter((address) => address?.family === 'IPv4' && !address.internal)
      .map((address) => address?.address ?? '');
    assert.ok(own.some((address) => address.startsWith(addresses[0].split('.').slice(0, 2).join('.'))));
    const reached = await Promise.all(
      own.slice(0, 12).map(async (address) => {
        assert.equal(
          await (await fetch(`http://${address}:${port}`)).text(),
          'host',
          `the host itself, ${address}`,
        );
        return (await reach(`http://${address}:${port}`)).code === 0 ? address : undefined;
      }),
    );
    assert.deepEqual(reached.filter(Boolean), []);
    assert.notEqual((await reach('http://169.254.169.254/')).code, 0);
  });

  test('it reaches the internet by address and by name', { skip: !outside }, async () => {
    assert.equal((await reach(`http://${PUBLIC}/`)).output, 'outside');
    assert.equal((await reach('http://somewhere.example/')).output, 'outside');
  });

  test('private ranges and metadata addresses do not answer it', { skip: !outside }, async () => {
    await Promise.all(
      FORBIDDEN.map(async (address) => {
        assert.equal(
          await (await fetch(`http://${address}/`)).text(),
          'outside',
          `the host reaches ${address}`,
        );
        assert.notEqual((await reach(`http://${address}/`)).code, 0, address);
      }),
    );
  });

  test('it has no IPv6 way out', async () => {
    const routes = await runInSeat(
      docker,
      seat,
      'ip -6 route show default; ip -6 addr show scope global; echo .',
    );
    assert.equal(routes.output, '.');
  });

  test('the guard comes back when its rules or its container are removed', async () => {
    const guard = async () =>
      (await docker.listContainers({ filters: { label: ['clarateach.role=guard'] } })).find(
        ({ Labels }) => Labels['clarateach.installation'] === installation,
      );
    const fenced = async () => (await reach(`http://${addresses[1]}:3001/health`)).code !== 0;
    const first = await guard();
    assert.ok(first);
    assert.equal((await runIn(docker, first.Id, 'nft delete table inet "$TABLE"', '/bin/sh')).code, 0);
    await eventually('the rules are back', async () => {
      return (await runIn(docker, first.Id, 'nft list table inet "$TABLE"', '/bin/sh')).code === 0;
    });
    assert.ok(await fenced());

    await docker.getContainer(first.Id).remove({ force: true });
    await provider.observe(seat, signal);
    await eventually('the guard is back', async () => (await guard()) !== undefined);
    await provider.ensure(specOf(seat), signal);
    assert.ok(await fenced());
  });
});

/** A network namespace behind the host, with one server on all addresses; returns its removal. */
async function makeOutside(): Promise<() => void> {
  const name = `ctout${process.pid}`;
  const [near, far] = [`cto${process.pid % 100000}h`, `cto${process.pid % 100000}n`];
  const ip = (...args: string[]) => execFileSync('ip', args, { stdio: 'pipe' });
  ip('netns', 'add', name);
  const remove = () => {
    server?.kill('SIGKILL');
    ip('netns', 'delete', name);
  };
  let server: ReturnType<typeof spawn> | undefined;
  try {
    ip('link', 'add', near, 'type', 'veth', 'peer', 'name', far, 'netns', name);
    ip('addr', 'add', '203.0.113.1/30', 'dev', near);
    ip('link', 'set', near, 'up');
    ip('-n', name, 'link', 'set', 'lo', 'up');
    ip('-n', name, 'link', 'set', far, 'up');
    ip('-n', name, 'addr', 'add', `${PUBLIC}/30`, 'dev', far);
    for (const address of FORBIDDEN) {
      ip('-n', name, 'addr', 'add', `${address}/32`, 'dev', far);
      ip('route', 'add', `${address}/32`, 'dev', near);
    }
    ip('-n', name, 'route', 'add', 'default', 'via', '203.0.113.1');
    server = spawn('ip', ['netns', 'exec', name, process.execPath, '-e', OUTSIDE], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    server.stdout?.once('data', () => resolve());
    server.once('exit', () => reject(new Error('the outside ended')));
    await promise;
    return remove;
  } catch (error) {
    remove();
    throw error;
  }
}

/** Answers every HTTP request, and every DNS question for an IPv4 address with the public one. */
const OUTSIDE = `
const { createServer } = require('node:http');
const { createSocket } = require('node:dgram');
const names = createSocket('udp4');
names.on('message', (query, from) => {
  const end = query.indexOf(0, 12) + 5;
  const isA = query.readUInt16BE(end - 4) === 1;
  const head = Buffer.from(query.subarray(0, end));
  head.writeUInt16BE(0x8180, 2);
  head.writeUInt16BE(isA ? 1 : 0, 6);
  head.writeUInt32BE(0, 8);
  const record = Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, ...'${PUBLIC}'.split('.').map(Number)]);
  names.send(isA ? Buffer.concat([head, record]) : head, from.port, from.address);
});
names.bind(53, '${NAME_SERVER}', () => {
  createServer((_, response) => response.end('outside')).listen(80, () => console.log('up'));
});
`;
