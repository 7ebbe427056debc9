import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { createServer as createHttpServer } from 'node:http';
import { createServer as createTcpServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import type { ErrorBody } from '@clarateach/contract/errors';
import type { SeatSession } from '@clarateach/contract/join';
import { FILES_PORT } from '@clarateach/contract/seat-server';
import type { WorkshopDetails } from '@clarateach/contract/workshop';
import { instantProvider, neverProvider } from '@clarateach/seats/providers/doubles';
import { readConfig } from './config.ts';
import { createServer } from './main.ts';
import { startPostgres, type TestPostgres } from './store/testing.ts';
import { eventually } from './testing/control-plane.ts';
import { freePort } from './testing/free-port.ts';
import { TEST_SECRET, type TestServer, testServer } from './testing/server.ts';
import { tcpProxy } from './testing/tcp-proxy.ts';

const quiet = { log: { write: () => {} } };
const instant = () => new Map([['local' as const, instantProvider()]]);

describe('a start', () => {
  let directory: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'clarateach-start-'));
  });
  afterEach(() => rm(directory, { recursive: true, force: true }));
  const configOf = (env: Record<string, string> = {}) =>
    readConfig({ PORT: '0', DATA_DIR: join(directory, 'data'), ...env });

  it('makes its own secret, for its owner alone, and keeps it', async () => {
    const config = configOf();
    const first = await createServer(config, { providers: instant(), ...quiet });
    assert.equal(first.url, `http://localhost:${first.port}`);
    const keys = await (await fetch(`http://127.0.0.1:${first.port}/.well-known/jwks.json`)).text();
    await first.close();
    assert.equal((await stat(join(directory, 'data', 'secret.key'))).mode & 0o777, 0o600);
    assert.equal((await stat(join(directory, 'data'))).mode & 0o777, 0o700);
    const second = await createServer(config, { providers: instant(), ...quiet });
    assert.equal(await (await fetch(`http://127.0.0.1:${second.port}/.well-known/jwks.json`)).text(), keys);
    await second.close();
    await second.close();
  });

  it('on a busy port says so, and makes nothing', async () => {
    const other = createTcpServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as { port: number };
    await assert.rejects(
      createServer(configOf({ PORT: String(port) }), quiet),
      new RegExp(`^Error: Port ${port} .*in use.*--port`),
    );
    assert.deepEqual(await readdir(directory), []);
    other.close();
    await once(other, 'close');
  });

  it('beside another server on the same data is told which process has it', async () => {
    const first = await createServer(configOf(), { providers: instant(), ...quiet });
    const same = { PORT: String(first.port) };
    await assert.rejects(createServer(configOf(same), quiet), new RegExp(`process ${process.pid}.*data`));
    await assert.rejects(createServer(configOf(), quiet), /Another ClaraTeach server/);
    assert.equal((await fetch(`http://127.0.0.1:${first.port}/api/health`)).status, 200);
    await first.close();
  });

  it('with another secret, or a damaged database, stops with a line that says so, and frees the port', async () => {
    const port = String(await freePort());
    const config = configOf({ PORT: port });
    await (await createServer(config, { providers: instant(), ...quiet })).close();
    const wrong = configOf({ PORT: port, WORKSPACE_TOKEN_SECRET: TEST_SECRET });
    await assert.rejects(createServer(wrong, { providers: instant(), ...quiet }), /WORKSPACE_TOKEN_SECRET/);
    await writeFile(join(directory, 'data', 'clarateach.db'), 'this is no database at all');
    await assert.rejects(
      createServer(config, { providers: instant(), ...quiet }),
      /clarateach\.db cannot be opened/,
    );
    await rm(join(directory, 'data'), { recursive: true });
    await (await createServer(config, { providers: instant(), ...quiet })).close();
  });

  it('without the PostgreSQL it is set to says where it looked, and never the password', async () => {
    const port = await freePort();
    const config = configOf({ DATABASE_URL: `postgresql://ann:hunter2@127.0.0.1:${port}/teach` });
    await assert.rejects(createServer(config, quiet), ({ message }: Error) => {
      assert.match(message, new RegExp(`teach at 127.0.0.1:${port} .*ECONNREFUSED.*DATABASE_URL`));
      return !message.includes('hunter2');
    });
  });

  it('prints no sign-in link once an admin has a password', async () => {
    const config = configOf();
    const first = await createServer(config, { providers: instant(), ...quiet });
    const opened = await fetch((first.signInUrl ?? '').replace('localhost', '127.0.0.1'), {
      redirect: 'manual',
    });
    const cookie = opened.headers.getSetCookie()[0]?.split(';', 1)[0] ?? '';
    const account = { name: 'Ann', email: 'ann@example.org', password: 'correct horse battery' };
    await fetch(`http://127.0.0.1:${first.port}/api/account`, {
      method: 'PUT',
      headers: { cookie, 'content-type': 'application/json' },
      body: JSON.stringify(account),
    });
    await first.close();
    const second = await createServer(config, { providers: instant(), ...quiet });
    assert.equal(second.signInUrl, undefined);
    await second.close();
  });
});

describe('an end', () => {
  it('answers those who wait for seats, and leaves the seats or stops them as it was told', async () => {
    for (const atEnd of ['leave-seats', 'stop-seats'] as const) {
      const provider = instantProvider();
      const server = await testServer({ overrides: { providers: new Map([['local', provider]]), atEnd } });
      await server.createWorkshop(await server.signedIn(server.signInUrl ?? ''), { seats: 3 });
      await server.close();
      const stops = provider.calls.filter(({ verb }) => verb === 'stop');
      assert.equal(stops.length, atEnd === 'stop-seats' ? 3 : 0);
      assert.equal(provider.calls.filter(({ verb }) => verb === 'destroy').length, 0);
    }
    const server = await testServer({ overrides: { providers: new Map([['local', neverProvider()]]) } });
    const admin = await server.signedIn(server.signInUrl ?? '');
    const waiting = admin.request('POST', '/api/workshops?wait=ready', { name: 'slow', seats: 1 });
    await eventually(async () => {
      const { workshops } = await admin.json<{ workshops: WorkshopDetails[] }>(200, 'GET', '/api/workshops');
      return workshops[0]?.phase === 'starting';
    });
    await server.close();
    const answer = await waiting;
    assert.deepEqual([answer.status, answer.headers.get('retry-after')], [503, '5']);
    assert.equal(((await answer.json()) as ErrorBody).error.code, 'unavailable');
  });
});

describe('the gateway', () => {
  it('gets its requests before the API, and learners reach their seat with the token of their join', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'clarateach-seat-'));
    const seat = createHttpServer((request, response) => response.end(`seat: ${request.url}`));
    seat.listen(join(directory, `${FILES_PORT}.sock`));
    await once(seat, 'listening');
    const provider = instantProvider({ endpoint: () => ({ kind: 'unix', directory }) });
    const server = await testServer({ overrides: { providers: new Map([['local', provider]]) } });
    const { code, id } = await server.createWorkshop(await server.signedIn(server.signInUrl ?? ''));
    const session = await server.anyone.json<SeatSession>(200, 'POST', '/api/join', { code, name: 'Ann' });
    const files = `${session.endpoint}/vm/${session.seat}/files?path=.`;
    const authorization = `Bearer ${session.token}`;
    const reached = await fetch(files, { headers: { authorization } });
    assert.equal(await reached.text(), 'seat: /files?path=.');
    const refusals = [
      [files, {}, 401],
      [files.replace(`/vm/${session.seat}/`, '/vm/2/'), { authorization }, 403],
      [files, { authorization, origin: 'https://evil.example.org' }, 403],
      [`${session.endpoint}/nothing`, { authorization }, 404],
    ] as const;
    for (const [url, headers, status] of refusals)
      assert.equal((await fetch(url, { headers })).status, status, url);
    const admitted = await fetch(files, { headers: { authorization, origin: server.url } });
    assert.equal(admitted.headers.get('access-control-allow-origin'), server.url);
    await admitted.text();
    assert.ok(!server.logLines.join('').includes(session.token));
    assert.ok(server.logLines.some((line) => line.includes(id) && line.includes('refused')));
    await server.close();
    seat.close();
    seat.closeAllConnections();
    await rm(directory, { recursive: true, force: true });
  });
});

describe('servers on one PostgreSQL', () => {
  let postgres: TestPostgres;
  before(async () => {
    postgres = await startPostgres();
  });
  after(() => postgres.stop());

  it('share accounts, keys and workshops, and 500 that join through both get 60 seats once each', async () => {
    const env = { DATABASE_URL: await postgres.create(), LOG_LEVEL: 'error' };
    const provider = instantProvider();
    const overrides = { providers: new Map([['local' as const, provider]]) };
    const servers = await Promise.all([
      testServer({ env, overrides }),
      testServer({ env, overrides }),
    ] as const);
    const [one, two] = servers;
    const admin = await one.signedIn(one.signInUrl ?? '');
    const { code, id } = await one.createWorkshop(admin, { seats: 60 });
    const shown = await two.as(admin.headers).json<WorkshopDetails>(200, 'GET', `/api/workshops/${id}`);
    assert.equal(shown.phase, 'ready');
    const join = (server: TestServer) => server.anyone.request('POST', '/api/join', { code, name: 'Ann' });
    const answers = await Promise.all(
      Array.from({ length: 500 }, (_, index) => join(index % 2 === 0 ? one : two)),
    );
    const sessions: SeatSession[] = [];
    for (const answer of answers) {
      if (answer.status === 200) sessions.push((await answer.json()) as SeatSession);
      else assert.equal(((await answer.json()) as ErrorBody).error.code, 'workshop_full');
    }
    assert.equal(new Set(sessions.map(({ seat }) => seat)).size, 60);
    assert.equal(sessions.length, 60);
    for (const server of servers) {
      await server.anyone.json(200, 'POST', '/api/session/renew', { token: sessions[0]?.token });
    }
    await Promise.all(servers.map((server) => server.close()));
  });
});

describe('a database that goes away for a while', () => {
  it('is answered with 503 and Retry-After, and all works again when it is back', async () => {
    const postgres = await startPostgres();
    const proxy = await tcpProxy(Number(new URL(await postgres.create()).port));
    const url = new URL(await postgres.create());
    url.port = String(proxy.port);
    const server = await testServer({ env: { DATABASE_URL: url.href, LOG_LEVEL: 'silent' } });
    const admin = await server.signedIn(server.signInUrl ?? '');
    const { code } = await server.createWorkshop(admin);
    proxy.cut();
    const outage = async (response: Response) => {
      assert.equal(response.status, 503);
      assert.ok(Number(response.headers.get('retry-after')) >= 1);
      assert.equal(((await response.json()) as ErrorBody).error.code, 'unavailable');
    };
    await outage(await admin.request('GET', '/api/workshops'));
    await outage(await server.anyone.request('POST', '/api/join', { code, name: 'Ann' }));
    await outage(
      await server.anyone.request('POST', '/api/auth/sign-in/email', { email: 'a@b.org', password: 'x' }),
    );
    const health = await eventually(async () => {
      const response = await server.anyone.request('GET', '/api/health');
      const body = (await response.json()) as { status: string };
      return response.status === 503 ? body : undefined;
    });
    assert.equal(health.status, 'degraded');
    const metrics = await server.anyone.request('GET', '/metrics');
    assert.match(await metrics.text(), /^clarateach_database_up 0$/m);
    assert.equal((await server.anyone.request('GET', '/.well-known/jwks.json')).status, 200);
    proxy.mend();
    await eventually(async () => (await admin.request('GET', '/api/workshops')).status === 200);
    await server.anyone.json(200, 'POST', '/api/join', { code, name: 'Ann' });
    await server.close();
    await proxy.close();
    await postgres.stop();
  });
});
