import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { type TestAgent, TOKEN, testAgent } from '@clarateach/agent/testing';
import { connectInstructor } from '@clarateach/bench/platform';
import type { Vm } from '@clarateach/contract/agent-api';
import type { AdminVms, Health } from '@clarateach/contract/health';
import type { WorkshopDetails } from '@clarateach/contract/workshop';
import { instantProvider } from '@clarateach/seats/providers/doubles';
import { readConfig } from '@clarateach/server/config';
import { createServer } from '@clarateach/server/main';
import { freePort } from '@clarateach/server/testing/free-port';
import { tcpProxy } from '@clarateach/server/testing/tcp-proxy';
import { untilLearnersGoStraight } from './platform/agents.ts';
import { eventually } from './platform/up.ts';

/** Stands for the address of the server of a stage. */
const OUR_SERVER = 'http://our-server';

/** A server and agents in this process, with seats in memory; `capacities` of the workers, in their order. */
async function stage(
  capacities: readonly number[],
  options: {
    publicUrl?: string;
    agent?: Parameters<typeof testAgent>[1];
    latency?: (verb: string) => Promise<void>;
  } = {},
) {
  const { publicUrl, agent = {}, latency = async () => {} } = options;
  const data = await mkdtemp(join(tmpdir(), 'clarateach-placement-'));
  const port = await freePort();
  const agents: TestAgent[] = [];
  for (const capacity of capacities) {
    const env: Record<string, string> = { CAPACITY: String(capacity), ...agent.env };
    if (env.SERVER_URL === OUR_SERVER) env.SERVER_URL = `http://localhost:${port}`;
    agents.push(await testAgent(instantProvider({ latency }), { ...agent, env }));
  }
  const addresses = agents.map(({ port }) => `127.0.0.1:${port}`);
  const config = readConfig({
    PORT: String(port),
    DATA_DIR: data,
    LOG_LEVEL: 'silent',
    WORKER_AGENTS: JSON.stringify(
      addresses.map((address) => ({ address, token: TOKEN, ...(publicUrl ? { publicUrl } : {}) })),
    ),
  });
  const server = await createServer(config);
  const instructor = await connectInstructor(server.url, server.signInUrl ?? '');
  return {
    agents,
    addresses,
    server,
    instructor,
    held: async (agent: TestAgent): Promise<readonly Vm[]> =>
      ((await (await agent.call('GET', '/vms')).json()) as { vms: Vm[] }).vms,
    async [Symbol.asyncDispose]() {
      await server.close();
      for (const agent of agents) await agent.close();
      await rm(data, { recursive: true, force: true });
    },
  };
}

test('seats fill the freest worker first, and wait for room when all are full', async () => {
  await using scene = await stage([1, 3]);
  const [small, large] = scene.agents as [TestAgent, TestAgent];
  const { instructor } = scene;
  const { id } = await instructor.api<WorkshopDetails>('POST', '/api/workshops', {
    name: 'Full',
    seats: 5,
    start: true,
  });
  const show = () => instructor.api<WorkshopDetails>('GET', `/api/workshops/${id}`);
  await eventually('four seats are ready', async () => (await show()).readySeats === 4);
  assert.deepEqual([(await scene.held(small)).length, (await scene.held(large)).length], [1, 3]);
  await eventually('the fifth says why it waits', async () =>
    (await show()).seats.some(({ reason }) => /All workers are full\. Add a worker/.test(reason)),
  );
  await instructor.remove(id);
  assert.deepEqual([await scene.held(small), await scene.held(large)], [[], []]);
});

test('a worker is told who holds a seat, and forgets it with the workshop', async () => {
  await using scene = await stage([5]);
  const [agent] = scene.agents as [TestAgent];
  const { id, code } = await scene.instructor.workshop(2);
  const ada = await scene.instructor.join(code, 'Ada');
  await eventually('the agent knows Ada', async () =>
    (await scene.held(agent)).some(({ seat_id, holder }) => seat_id === ada.seat && holder === ada.odehash),
  );
  // The token names the machine; without a server's keys on it, learners go through the server.
  const claims = JSON.parse(Buffer.from(ada.token.split('.')[1] ?? '', 'base64url').toString()) as {
    vmIp: string;
  };
  assert.equal(claims.vmIp, '127.0.0.1');
  assert.equal(ada.endpoint, `${scene.server.url}/debug/proxy/${id}`);
  await scene.instructor.remove(id);
  assert.deepEqual(await scene.held(agent), []);
});

test('join hands out the public address that the operator gives a worker', async () => {
  await using scene = await stage([5], {
    publicUrl: 'https://worker.example.org',
    agent: { env: { SERVER_URL: OUR_SERVER } },
  });
  await untilLearnersGoStraight(scene.instructor);
  const { id, code } = await scene.instructor.workshop(1);
  const ada = await scene.instructor.join(code, 'Ada');
  assert.equal(ada.endpoint, `https://worker.example.org/debug/proxy/${id}`);
  const page = await fetch(scene.server.url);
  assert.match(
    page.headers.get('content-security-policy') ?? '',
    /connect-src[^;]* https:\/\/worker\.example\.org wss:\/\/worker\.example\.org/,
  );
  await scene.instructor.remove(id);
});

test('nobody is sent to a worker that cannot verify their token, and its page says why', async () => {
  // One that has no server to fetch keys from, and one that is given the address of something else.
  for (const env of [{}, { SERVER_URL: 'http://127.0.0.1:1' }]) {
    await using scene = await stage([5], { publicUrl: 'https://worker.example.org', agent: { env } });
    const { id, code } = await scene.instructor.workshop(1);
    const ada = await scene.instructor.join(code, 'Ada');
    assert.equal(ada.endpoint, `${scene.server.url}/debug/proxy/${id}`);
    const { workers } = await scene.instructor.api<AdminVms>('GET', '/api/admin/vms');
    assert.equal(workers[0]?.state, 'up');
    assert.match(workers[0].problem, /does not have the key.*learners reach its seats through this server/);
    await scene.instructor.remove(id);
  }
});

test('nobody is sent to a worker whose clock is far off, and its page says how far', async () => {
  for (const [offMs, says] of [
    [-40_000, /is (39|40) s behind this server’s/],
    [3_600_000, /is 3600 s ahead of this server’s/],
  ] as const) {
    await using scene = await stage([5], {
      publicUrl: 'https://worker.example.org',
      agent: { env: { SERVER_URL: OUR_SERVER }, overrides: { clock: () => Date.now() + offMs } },
    });
    const { workers } = await scene.instructor.api<AdminVms>('GET', '/api/admin/vms');
    assert.match(workers[0]?.problem ?? '', says);
    const { id, code } = await scene.instructor.workshop(1);
    const ada = await scene.instructor.join(code, 'Ada');
    assert.equal(ada.endpoint, `${scene.server.url}/debug/proxy/${id}`);
    await scene.instructor.remove(id);
  }
});

test('a copy that takes its time to be destroyed keeps its worker from no heartbeat', async () => {
  const gate = Promise.withResolvers<void>();
  let destroying = false;
  await using scene = await stage([5, 5], {
    latency(verb) {
      if (verb !== 'destroy') return Promise.resolve();
      destroying = true;
      return gate.promise;
    },
  });
  try {
    const { id } = await scene.instructor.workshop(1);
    const held = await Promise.all(scene.agents.map(scene.held));
    const other = scene.agents[held.findIndex((vms) => vms.length === 0)] as TestAgent;
    // As a worker has it that comes back after its seat was brought up elsewhere.
    assert.equal((await other.call('POST', '/vms', { workshop_id: id, seat_id: 1 })).status, 201);
    await eventually('the copy is being destroyed', async () => destroying);
    const heardAt = async () => {
      const { workers } = await scene.instructor.api<AdminVms>('GET', '/api/admin/vms');
      return Date.parse(workers.find(({ address }) => address.endsWith(`:${other.port}`))?.heardAt ?? '');
    };
    const before = await heardAt();
    await eventually('it is heard on and on', async () => (await heardAt()) > before + 2_000, 10_000);
    gate.resolve();
    await eventually('the copy is gone', async () => (await scene.held(other)).length === 0);
    await scene.instructor.remove(id);
  } finally {
    gate.resolve();
  }
});

test('an agent that is named otherwise keeps its seats, and one that is named twice has them once', async () => {
  const data = await mkdtemp(join(tmpdir(), 'clarateach-placement-'));
  const provider = instantProvider();
  const agent = await testAgent(provider, { env: { CAPACITY: '5' } });
  const serve = (...hosts: string[]) =>
    createServer(
      readConfig({
        PORT: '0',
        DATA_DIR: data,
        LOG_LEVEL: 'silent',
        WORKER_AGENTS: JSON.stringify(
          hosts.map((host) => ({ address: `${host}:${agent.port}`, token: TOKEN })),
        ),
      }),
    );
  let server = await serve('127.0.0.1');
  try {
    const first = await connectInstructor(server.url, server.signInUrl ?? '');
    const { id } = await first.workshop(2);
    const { token } = await first.api<{ token: string }>('POST', '/api/tokens', { name: 'again' });
    const ask = async <T>(method: string, path: string): Promise<T> => {
      const headers = { authorization: `Bearer ${token}` };
      const response = await fetch(new URL(path, server.url), { method, headers });
      return (response.status === 204 ? undefined : await response.json()) as T;
    };
    const workers = async () => (await ask<AdminVms>('GET', '/api/admin/vms')).workers;
    /** Copies of seats that live elsewhere would go with the second heartbeat. */
    const someHeartbeats = async () => {
      const from = Date.now();
      await eventually('heard some more', async () =>
        (await workers()).every(({ heardAt }) => Date.parse(heardAt ?? '') > from + 3_000),
      );
    };
    for (const hosts of [['localhost'], ['127.0.0.1', 'localhost']]) {
      await server.close();
      server = await serve(...hosts);
      await someHeartbeats();
      const { phase, seats } = await ask<WorkshopDetails>('GET', `/api/workshops/${id}`);
      assert.deepEqual([phase, seats.map(({ reason }) => reason)], ['ready', ['', '']]);
      assert.deepEqual(
        provider.calls.filter(({ verb }) => verb === 'destroy'),
        [],
      );
    }
    const [one, twin] = await workers();
    assert.deepEqual([one?.state, one?.seats.length, twin?.state, twin?.seats], ['up', 2, 'refused', []]);
    assert.match(twin?.problem ?? '', /answers the same agent as at 127\.0\.0\.1:\d+.*Name each agent once/);
    await ask('DELETE', `/api/workshops/${id}`);
    await eventually(
      'nothing is left',
      async () => (await provider.list(new AbortController().signal)).length === 0,
    );
  } finally {
    await server.close();
    await agent.close();
    await rm(data, { recursive: true, force: true });
  }
});

test('two servers with databases of their own share a worker, and leave each other’s seats alone', async () => {
  await using scene = await stage([5]);
  const [agent] = scene.agents as [TestAgent];
  const data = await mkdtemp(join(tmpdir(), 'clarateach-placement-'));
  const start = () =>
    createServer(
      readConfig({
        PORT: '0',
        DATA_DIR: data,
        LOG_LEVEL: 'silent',
        WORKER_AGENTS: JSON.stringify([{ address: scene.addresses[0], token: TOKEN }]),
      }),
    );
  let other = await start();
  try {
    const theirs = await connectInstructor(other.url, other.signInUrl ?? '');
    const { id: own } = await scene.instructor.workshop(2);
    const { id: foreign } = await theirs.workshop(2);
    const installations = async () =>
      new Set((await scene.held(agent)).map(({ installation }) => installation)).size;
    assert.deepEqual([(await scene.held(agent)).length, await installations()], [4, 2]);
    // A server's first look at its workers is for what nobody wants any more.
    await other.close();
    other = await start();
    await eventually('each sees its own, and how many there are in all', async () => {
      const { workers } = await scene.instructor.api<AdminVms>('GET', '/api/admin/vms');
      return workers[0]?.seats.length === 2 && workers[0].seatCount === 4;
    });
    // Three of its own have no room beside those of the other.
    const more = await scene.instructor.api<WorkshopDetails>('POST', '/api/workshops', {
      name: 'More',
      seats: 3,
      start: true,
    });
    await eventually('one fits', async () => {
      const { seats } = await scene.instructor.api<WorkshopDetails>('GET', `/api/workshops/${more.id}`);
      return (
        seats.filter(({ phase }) => phase === 'ready').length === 1 &&
        seats.filter(({ reason }) => /All workers are full/.test(reason)).length === 2
      );
    });
    assert.equal((await scene.held(agent)).length, 5);
    await scene.instructor.remove(more.id);
    await scene.instructor.remove(own);
    assert.deepEqual(
      (await scene.held(agent)).map(({ workshop_id }) => workshop_id),
      [foreign, foreign],
    );
  } finally {
    await other.close();
    await rm(data, { recursive: true, force: true });
  }
});

test('the server’s figures tell of each worker whether it answers, its room and its seats', async () => {
  await using scene = await stage([5, 7]);
  const [one, two] = scene.agents as [TestAgent, TestAgent];
  const { id } = await scene.instructor.workshop(4);
  const all = async (lines: readonly string[]) => {
    const text = await (await fetch(`${scene.server.url}/metrics`)).text();
    return lines.every((line) => text.includes(`clarateach_worker_${line}\n`));
  };
  const named = (figure: string, agent: TestAgent, value: number) =>
    `${figure}{worker="http://127.0.0.1:${agent.port}"} ${value}`;
  const [held, others] = [(await scene.held(one)).length, (await scene.held(two)).length];
  await eventually('both are up', () =>
    all([
      ...[named('up', one, 1), named('capacity', one, 5), named('seats', one, held)],
      ...[named('up', two, 1), named('capacity', two, 7), named('seats', two, others)],
    ]),
  );
  await one.close();
  await eventually('its seats are lost', () =>
    all([named('up', one, 0), named('seats_lost', one, held), named('seats_lost', two, 0)]),
  );
  await eventually('the health says so', async () => {
    const { status, workers } = (await (await fetch(`${scene.server.url}/api/health`)).json()) as Health;
    return status === 'degraded' && workers?.total === 2 && workers.up === 1;
  });
  await eventually('a lost seat says when it is moved', async () => {
    const { seats } = await scene.instructor.api<WorkshopDetails>('GET', `/api/workshops/${id}`);
    const lost = seats.find(({ phase }) => phase === 'lost');
    if (!lost) return false;
    const inMs = Date.parse(lost.movesAt ?? '') - Date.now();
    assert.ok(inMs > 0 && inMs <= 60_000, String(lost.movesAt));
    return true;
  });
});

test('a server whose workers are all away starts, and its health says so', async () => {
  const data = await mkdtemp(join(tmpdir(), 'clarateach-placement-'));
  const server = await createServer(
    readConfig({
      PORT: '0',
      DATA_DIR: data,
      LOG_LEVEL: 'silent',
      WORKER_AGENTS: '[{"address":"127.0.0.1:1","token":"somebody"}]',
    }),
  );
  try {
    const { status, runtimes } = (await (await fetch(`${server.url}/api/health`)).json()) as {
      status: string;
      runtimes: { ok: boolean }[];
    };
    assert.deepEqual([status, runtimes.map(({ ok }) => ok)], ['degraded', [false]]);
  } finally {
    await server.close();
    await rm(data, { recursive: true, force: true });
  }
});

test('workshops of a runtime whose workers are away since the start are looked after', async () => {
  const data = await mkdtemp(join(tmpdir(), 'clarateach-placement-'));
  const agent = await testAgent({
    ...instantProvider(),
    info: { name: 'firecracker', isolation: 'vm', note: '' },
  });
  const line = await tcpProxy(agent.port);
  const config = readConfig({
    PORT: String(await freePort()),
    DATA_DIR: data,
    LOG_LEVEL: 'silent',
    WORKER_AGENTS: JSON.stringify([{ address: `127.0.0.1:${line.port}`, token: TOKEN }]),
  });
  line.cut();
  let server = await createServer(config);
  try {
    const instructor = await connectInstructor(server.url, server.signInUrl ?? '');
    const create = (name: string) =>
      instructor.api<WorkshopDetails>('POST', '/api/workshops', { name, seats: 1, start: true });
    const show = (id: string) => instructor.api<WorkshopDetails>('GET', `/api/workshops/${id}`);
    // Nobody has said yet what the worker has.
    const guessed = await create('Guessed');
    assert.equal(guessed.runtime, 'docker');
    line.mend();
    await eventually('the worker is heard', async () => {
      const { runtimes } = (await (await fetch(`${server.url}/api/health`)).json()) as Health;
      return runtimes.map(({ name }) => name).join() === 'firecracker';
    });
    await eventually('it says what it waits for', async () =>
      /No worker with the docker runtime answers/.test((await show(guessed.id)).seats[0]?.reason ?? ''),
    );
    await instructor.remove(guessed.id);
    const { id } = await create('Virtual');
    await eventually('ready', async () => (await show(id)).phase === 'ready');

    await server.close();
    line.cut();
    server = await createServer(config);
    const { status, defaultRuntime } = (await (await fetch(`${server.url}/api/health`)).json()) as Health;
    assert.deepEqual([status, defaultRuntime], ['degraded', 'firecracker']);
    await eventually('lost', async () => (await show(id)).seats[0]?.phase === 'lost');
    line.mend();
    await eventually('ready again', async () => (await show(id)).phase === 'ready');
    await instructor.remove(id);
  } finally {
    await server.close();
    await line.close();
    await agent.close();
    await rm(data, { recursive: true, force: true });
  }
});
