import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, it } from 'node:test';
import type { WorkshopId } from '@clarateach/contract/ids';
import type { ConfigError } from '@clarateach/contract/settings';
import { ProviderError, type SeatProvider } from '@clarateach/seats/provider';
import { dockerProvider } from '@clarateach/seats/providers/docker';
import { probeDocker } from '@clarateach/seats/providers/docker/probe';
import { instantProvider } from '@clarateach/seats/providers/doubles';
import { remoteAgent, remoteProvider } from '@clarateach/seats/providers/remote';
import { readAgentConfig } from './config.ts';
import { createAgent } from './main.ts';
import { openRuntime } from './runtime.ts';
import { savedJson } from './saved-json.ts';
import { KEYS_GOOD_FOR_MS, openServerKeys, savedKeys } from './server-keys.ts';
import { type TestAgent, TOKEN, testAgent } from './testing.ts';

const WORKSHOP = 'ws-abcd2345' as WorkshopId;
const id = (seat: number) => ({ workshop: WORKSHOP, seat });
const LIMITS = { memoryMiB: 512, cpus: 1, processes: 100, openFiles: 1024 };
const spec = (seat: number) => ({ id: id(seat), env: {}, limits: LIMITS });
const { signal } = new AbortController();
const vm = (seat: number) => ({ workshop_id: WORKSHOP, seat_id: seat });

describe('the settings of the agent', () => {
  it('name all that is wrong, without the token', () => {
    assert.throws(
      () =>
        readAgentConfig({
          PORT: 'x',
          CAPACITY: '0',
          RUNTIME: 'vmware',
          AGENT_TOKEN: 'geheim',
          SERVER_URL: 'a/b',
        }),
      (error: ConfigError) => {
        assert.deepEqual(
          error.problems.map((problem) => problem.split(' ')[0]),
          ['PORT', 'AGENT_TOKEN', 'CAPACITY', 'RUNTIME', 'SERVER_URL'],
        );
        assert.doesNotMatch(error.message, /geheim/);
        return true;
      },
    );
  });

  it('bound the disks of docker seats, where the engine can do it', async (context) => {
    assert.equal(readAgentConfig({ SEAT_DISK_GIB: '0.5' }).seatDiskMiB, 512);
    assert.equal(readAgentConfig({}).seatDiskMiB, undefined);
    assert.throws(() => readAgentConfig({ SEAT_DISK_GIB: 'much' }), /SEAT_DISK_GIB is "much"/);
    await assert.rejects(
      openRuntime(
        readAgentConfig({ RUNTIME: 'local', SEAT_DISK_GIB: '1' }),
        { path: tmpdir(), id: 'nobody', release() {} },
        { chosen() {}, worse() {} },
      ),
      /SEAT_DISK_GIB bounds docker seats alone, and seats run in local here/,
    );
    const engine = await probeDocker();
    if (!engine.ok) return context.diagnostic(`NOT RUN with an engine: ${engine.note}`);
    const path = await mkdtemp(join(tmpdir(), 'clarateach-agent-'));
    const directory = { path, id: `agent-test-${process.pid}`, release() {} };
    try {
      const opened = (env: Record<string, string>) =>
        openRuntime(readAgentConfig({ RUNTIME: 'docker', ...env }), directory, {
          chosen() {},
          worse() {},
        }).then(
          async (provider) => {
            await provider.close();
            return 'opened';
          },
          (error: unknown) => String(error),
        );
      assert.equal(await opened({}), 'opened');
      const image = 'clarateach-workspace:latest';
      const bounded = await dockerProvider({ image, installation: directory.id, diskMiB: 512 }).then(
        (provider) => provider.close().then(() => 'opened'),
        (error: unknown) => String(error),
      );
      // Without project quotas a bound is refused, and the agent does not start as if there were one.
      assert.equal(await opened({ SEAT_DISK_GIB: '0.5' }), bounded);
    } finally {
      await rm(path, { recursive: true, force: true });
    }
  });

  it('ask for a token on a network address, and for none on loopback', () => {
    assert.throws(() => readAgentConfig({ HOST: '0.0.0.0' }), /AGENT_TOKEN is missing.*only on 127\.0\.0\.1/);
    assert.deepEqual(
      [readAgentConfig({}).port, readAgentConfig({}).capacity, readAgentConfig({}).token],
      [9090, 50, undefined],
    );
  });
});

describe('an agent', () => {
  let agent: TestAgent;
  afterEach(() => agent.close());

  it('gives a seat whose limits nobody names those of its runtime', async () => {
    for (const [name, memoryMiB] of [
      ['docker', 1024],
      ['firecracker', 512],
    ] as const) {
      const provider = instantProvider();
      const asked: number[] = [];
      agent = await testAgent({
        ...provider,
        info: { ...provider.info, name },
        ensure: (spec, signal) => {
          asked.push(spec.limits.memoryMiB);
          return provider.ensure(spec, signal);
        },
      });
      assert.equal((await agent.call('POST', '/vms', vm(1))).status, 201);
      assert.deepEqual(asked, [memoryMiB]);
      await agent.close();
    }
  });

  it('creates, lists, shows and destroys seats by its API', async () => {
    agent = await testAgent(instantProvider());
    assert.equal((await agent.call('GET', `/vms/${WORKSHOP}/1`)).status, 404);
    assert.equal((await agent.call('POST', '/vms', vm(1))).status, 201);
    assert.equal((await agent.call('POST', '/vms', vm(1))).status, 200);
    await agent.call('POST', '/vms', { workshop_id: 'ws-other234', seat_id: 2 });
    const list = (await (await agent.call('GET', `/vms?workshop_id=${WORKSHOP}`)).json()) as {
      vms: unknown[];
    };
    assert.deepEqual(list.vms, [
      {
        ...vm(1),
        name: `clarateach-${WORKSHOP}-seat-01`,
        state: 'running',
        holder: null,
        holder_revision: null,
        installation: null,
      },
    ]);
    const health = (await (await fetch(`http://127.0.0.1:${agent.port}/health`)).json()) as Record<
      string,
      unknown
    >;
    assert.deepEqual([health.status, health.vm_count, health.capacity], ['ok', 2, 50]);
    const info = (await (await agent.call('GET', '/info')).json()) as {
      vms: unknown[];
      runtime: { name: string };
    };
    assert.deepEqual([info.vms.length, info.runtime.name], [2, 'local']);
    assert.equal((await agent.call('DELETE', `/vms/${WORKSHOP}/1`)).status, 204);
    assert.equal((await agent.call('DELETE', `/vms/${WORKSHOP}/1`)).status, 204);
    assert.equal((await agent.call('GET', `/vms/${WORKSHOP}/1`)).status, 404);
    assert.match(
      await (await fetch(`http://127.0.0.1:${agent.port}/metrics`)).text(),
      /clarateach_agent_seats 1/,
    );
  });

  it('says what its runtime keeps ready for new seats', async () => {
    agent = await testAgent({ ...instantProvider(), ready: () => ({ ready: 2, wanted: 3 }) });
    const info = (await (await agent.call('GET', '/info')).json()) as { warm: unknown };
    assert.deepEqual(info.warm, { ready: 2, wanted: 3 });
    const figures = await (await fetch(`http://127.0.0.1:${agent.port}/metrics`)).text();
    assert.match(figures, /^clarateach_agent_ready_guests 2$/m);
    assert.match(figures, /^clarateach_agent_ready_guests_wanted 3$/m);
  });

  it('refuses what is wrong with a code and a sentence, and stays as it was', async () => {
    agent = await testAgent(instantProvider());
    const refusals: [number, string, () => Promise<Response>][] = [
      [
        401,
        'unauthenticated',
        () => agent.call('GET', '/info', undefined, { authorization: 'Bearer wrong' }),
      ],
      [401, 'unauthenticated', () => fetch(`http://127.0.0.1:${agent.port}/vms`)],
      [426, 'unequal_version', () => agent.call('GET', '/vms', undefined, { 'clarateach-agent-api': '2' })],
      [400, 'invalid_input', () => agent.call('POST', '/vms', { workshop_id: 'x', seat_id: 1 })],
      [400, 'invalid_input', () => agent.call('POST', '/vms', { ...vm(1), env: { 'A B': 'c' } })],
      [404, 'not_found', () => agent.call('GET', `/vms/${WORKSHOP}/0`)],
      [
        404,
        'not_found',
        () => agent.call('PUT', `/vms/${WORKSHOP}/1/holder`, { odehash: null, revision: 1 }),
      ],
      [404, 'not_found', () => agent.call('GET', '/nothing')],
      [405, 'method_not_allowed', () => agent.call('PUT', '/vms')],
      [405, 'method_not_allowed', () => agent.call('POST', '/health')],
      [405, 'method_not_allowed', () => agent.call('POST', `/vms/${WORKSHOP}/1`)],
      [413, 'too_large', () => agent.call('POST', '/vms', { env: 'x'.repeat(2 * 1024 * 1024) })],
    ];
    for (const [status, code, ask] of refusals) {
      const response = await ask();
      const body = (await response.json()) as { error: { code: string; message: string; requestId: string } };
      assert.deepEqual([response.status, body.error.code], [status, code]);
      assert.match(body.error.message, /[.!?]$|wrong/);
      assert.ok(body.error.requestId.length > 10);
    }
    assert.equal(((await (await agent.call('GET', '/vms')).json()) as { vms: unknown[] }).vms.length, 0);
  });

  it('has nothing at an address that is none, and calls it no fault of its own', async () => {
    const said: string[] = [];
    agent = await testAgent(instantProvider(), { overrides: { log: (level) => said.push(level) } });
    for (const path of ['//', '//[', '/%zz', '///x']) {
      // `fetch` would mend the path.
      const asked = request({ host: '127.0.0.1', port: agent.port, path }).end();
      const [response] = (await once(asked, 'response')) as [IncomingMessage];
      response.resume();
      assert.ok([401, 404].includes(response.statusCode ?? 0), `${path}: ${response.statusCode}`);
    }
    assert.ok(!said.includes('error'));
  });

  it('that is full refuses with capacity, and takes a seat once there is room', async () => {
    agent = await testAgent(instantProvider(), { env: { CAPACITY: '2' } });
    const remote = await remoteProvider({ address: `http://127.0.0.1:${agent.port}`, token: TOKEN }, signal);
    const made = await Promise.allSettled([1, 2, 3].map((seat) => remote.ensure(spec(seat), signal)));
    const refused = made
      .filter((each) => each.status === 'rejected')
      .map((each) => each.reason as ProviderError);
    assert.deepEqual(
      refused.map(({ kind }) => kind),
      ['capacity'],
    );
    assert.match(refused[0]?.message ?? '', /full: it has 2 of 2 seats/);
    const [first] = await remote.list(signal);
    assert.ok(first);
    await remote.ensure(spec(first.seat), signal);
    await remote.destroy(first, signal);
    await remote.ensure(spec(9), signal);
    assert.equal((await remote.list(signal)).length, 2);
  });

  it('whose disk is full keeps the seats it has, and says so instead of having them made elsewhere', async () => {
    const provider = instantProvider();
    agent = await testAgent(provider);
    const remote = remoteAgent({ address: `http://127.0.0.1:${agent.port}`, token: TOKEN });
    await remote.ensure(spec(1), signal);
    provider.kill(id(1));
    provider.fail('ensure', new ProviderError('capacity', 'The disk is full.'));
    await assert.rejects(remote.ensure(spec(1), signal), {
      kind: 'unreachable',
      message: 'The disk is full. The seat and its files stay on this worker.',
    });
    assert.deepEqual(await remote.list(signal), [id(1)]);
    await remote.ensure(spec(1), signal);
    assert.equal((await remote.observe(id(1), signal)).state, 'running');
  });

  it('has nothing of a seat for which it finds no room', async () => {
    const inner = instantProvider();
    const full = new ProviderError('capacity', 'The disk is full.');
    let isFull = true;
    // The directory is there before the disk is full.
    const provider: SeatProvider = {
      ...inner,
      async ensure(wanted, abort) {
        await inner.ensure(wanted, abort);
        if (isFull) throw full;
      },
    };
    agent = await testAgent(provider);
    const remote = remoteAgent({ address: `http://127.0.0.1:${agent.port}`, token: TOKEN });
    await assert.rejects(remote.ensure(spec(1), signal), { kind: 'capacity', message: 'The disk is full.' });
    assert.deepEqual([inner.files.size, await inner.list(signal), await remote.list(signal)], [0, [], []]);

    inner.fail('destroy', new ProviderError('unreachable', 'The engine is busy.'));
    await assert.rejects(remote.ensure(spec(1), signal), {
      kind: 'unreachable',
      message: /tried again here/,
    });
    assert.deepEqual(await remote.list(signal), [id(1)]);
    isFull = false;
    await remote.ensure(spec(1), signal);
    assert.equal((await remote.observe(id(1), signal)).state, 'running');
  });

  it('without a token takes programs of this machine, and no web pages', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'clarateach-agent-'));
    const running = await createAgent(readAgentConfig({ PORT: '0', DATA_DIR: directory }), {
      provider: instantProvider(),
      log: () => {},
    });
    agent = { close: async () => {} } as TestAgent;
    try {
      assert.match(running.notes.join(), /AGENT_TOKEN is not set/);
      const url = `http://127.0.0.1:${running.port}/vms`;
      assert.equal((await fetch(url)).status, 200);
      assert.equal((await fetch(url, { headers: { origin: 'https://evil.example' } })).status, 403);
    } finally {
      await running.close();
      await rm(directory, { recursive: true, force: true });
    }
  });

  it('keeps the later word on a holder, and forgets it with the seat', async () => {
    const provider = instantProvider();
    agent = await testAgent(provider);
    const remote = remoteAgent({ address: `http://127.0.0.1:${agent.port}`, token: TOKEN });
    await remote.ensure(spec(1), signal);
    await remote.setHolder(id(1), { odehash: 'LEARNERA' as never, revision: 5 }, signal);
    await remote.setHolder(id(1), { odehash: null, revision: 4 }, signal);
    assert.equal((await remote.inspect(signal)).vms[0]?.holder, 'LEARNERA');
    await remote.destroy(id(1), signal);
    await remote.ensure(spec(1), signal);
    assert.equal((await remote.inspect(signal)).vms[0]?.holder, null);
  });

  it('refuses a change that its own caller has followed by a later one', async () => {
    agent = await testAgent(instantProvider());
    const change = (method: string, path: string, number: number, body?: unknown) =>
      agent.call(method, path, body, { 'clarateach-agent-change': `client-1.${number}` });
    assert.equal((await change('DELETE', `/vms/${WORKSHOP}/1`, 7)).status, 204);
    const late = await change('POST', '/vms', 6, vm(1));
    assert.equal(late.status, 409);
    assert.equal((await change('POST', '/vms', 8, vm(1))).status, 201);
  });

  it('is told apart from something else, from another version, and from silence', async () => {
    agent = await testAgent(instantProvider());
    const other = createServer((_, response) => {
      response.writeHead(404, { 'clarateach-agent-api': '7' }).end();
    }).listen(0, '127.0.0.1');
    await once(other, 'listening');
    const port = (other.address() as { port: number }).port;
    const kinds: [string, string, RegExp][] = [
      [`http://127.0.0.1:${port}`, 'rejected', /speaks version 7 of the agent API, this server version 1/],
      ['http://127.0.0.1:1', 'unreachable', /does not answer/],
    ];
    for (const [address, kind, message] of kinds) {
      await assert.rejects(remoteAgent({ address, token: TOKEN }).observe(id(1), signal), { kind, message });
    }
    await assert.rejects(
      remoteAgent({ address: `http://127.0.0.1:${agent.port}`, token: 'wrong' }).list(signal),
      (error) => error instanceof ProviderError && error.kind === 'rejected' && /token/.test(error.message),
    );
    other.close();
  });
});

describe('the server’s keys', () => {
  it('are kept while the server is away, over a restart, and not for ever', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'clarateach-keys-'));
    const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const server = createServer((_, response) => {
      response.end(JSON.stringify({ keys: [{ ...publicKey.export({ format: 'jwk' }), kid: 'k1' }] }));
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    let clock = 1_000_000;
    const errors: unknown[] = [];
    const open = () =>
      openServerKeys({
        serverUrl: `http://127.0.0.1:${port}`,
        saved: savedJson(join(directory, 'keys.json'), savedKeys),
        now: () => clock,
        onError: (error) => errors.push(error),
      });
    const { port } = server.address() as { port: number };
    const first = await open();
    const deadline = Date.now() + 5_000;
    while (first.publicKeys.find('k1') === undefined && Date.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    assert.equal(first.publicKeys.find('k1'), first.publicKeys.find('k1'));
    assert.equal(first.publicKeys.find('k2'), undefined);
    await first.close();
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
    const second = await open();
    assert.ok(second.publicKeys.find('k1'));
    assert.deepEqual(second.ids(), ['k1']);
    clock += KEYS_GOOD_FOR_MS;
    assert.equal(second.publicKeys.find('k1'), undefined);
    assert.deepEqual(second.ids(), [], 'and it says that it has none');
    await second.close();
    await rm(directory, { recursive: true, force: true });
  });
});
