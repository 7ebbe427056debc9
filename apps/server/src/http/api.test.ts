import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { after, before, beforeEach, describe, it } from 'node:test';
import type { ErrorBody } from '@clarateach/contract/errors';
import { MAX_SEATS } from '@clarateach/contract/form-limits';
import type { SeatSession } from '@clarateach/contract/join';
import type { WorkshopDetails } from '@clarateach/contract/workshop';
import { type TestClient, type TestServer, testServer } from '../testing/server.ts';

describe('the API', () => {
  let server: TestServer;
  let admin: TestClient;
  let workshop: WorkshopDetails;

  before(async () => {
    server = await testServer({ env: { CORS_ORIGINS: 'https://other.example.org' } });
    admin = await server.signedIn(server.signInUrl ?? '');
    workshop = await server.createWorkshop(admin);
  });
  after(() => server.close());

  const failure = async (response: Response): Promise<ErrorBody['error'] & { status: number }> => {
    const { error } = (await response.json()) as ErrorBody;
    assert.equal(typeof error.message, 'string');
    assert.equal(error.requestId, response.headers.get('x-request-id'));
    return { ...error, status: response.status };
  };
  const fails = async (
    client: TestClient,
    method: string,
    path: string,
    body: unknown,
    expected: { status: number; code: string; field?: string },
  ) => {
    const { status, code, field } = await failure(await client.request(method, path, body));
    assert.deepEqual(
      { status, code, ...(field === undefined ? {} : { field }) },
      expected,
      `${method} ${path}`,
    );
  };

  describe('lets in', () => {
    it('nobody but who may call each procedure', async () => {
      const anonymous = { status: 401, code: 'unauthenticated' };
      for (const [method, path] of [
        ['GET', '/api/workshops'],
        ['POST', '/api/workshops'],
        ['GET', `/api/workshops/${workshop.id}`],
        ['DELETE', `/api/workshops/${workshop.id}`],
        ['POST', `/api/workshops/${workshop.id}/start`],
        ['POST', `/api/workshops/${workshop.id}/stop`],
        ['POST', `/api/workshops/${workshop.id}/extend`],
        ['GET', `/api/workshops/${workshop.id}/events`],
        ['POST', `/api/workshops/${workshop.id}/seats/1/restart`],
        ['POST', `/api/workshops/${workshop.id}/seats/1/reset`],
        ['GET', '/api/account'],
        ['PUT', '/api/account'],
        ['GET', '/api/tokens'],
        ['POST', '/api/tokens'],
        ['DELETE', '/api/tokens/x'],
        ['GET', '/api/admin/overview'],
        ['POST', '/api/session/renew'],
      ] as const) {
        await fails(server.anyone, method, path, method === 'GET' ? undefined : {}, anonymous);
        const token = server.as({ authorization: 'Bearer ctk_made-up' });
        await fails(token, method, path, method === 'GET' ? undefined : {}, anonymous);
      }
      const refused = await server.anyone.request('GET', '/api/workshops');
      assert.equal(refused.headers.get('www-authenticate'), 'Bearer');
    });

    it('programs with an API token, until it is revoked', async () => {
      const made = await admin.json<{ id: string; token: string }>(201, 'POST', '/api/tokens', {
        name: 'ci',
      });
      const program = server.as({ authorization: `Bearer ${made.token}` });
      const { workshops } = await program.json<{ workshops: WorkshopDetails[] }>(
        200,
        'GET',
        '/api/workshops',
      );
      assert.deepEqual(
        workshops.map(({ id }) => id),
        [workshop.id],
      );
      const { tokens } = await program.json<{ tokens: { token?: string }[] }>(200, 'GET', '/api/tokens');
      assert.ok(tokens.every((token) => token.token === undefined));
      await admin.json(200, 'DELETE', `/api/tokens/${made.id}`);
      await fails(program, 'GET', '/api/workshops', undefined, { status: 401, code: 'unauthenticated' });
    });

    it('a page of this site, and no page of another, with the cookie', async () => {
      const { code } = workshop;
      const rename = { name: 'token' };
      for (const headers of [
        { origin: 'https://evil.example.org' },
        { origin: 'null' },
        { origin: `http://3000--1--${workshop.id}.localhost:${server.port}` },
        { 'sec-fetch-site': 'cross-site' },
        { 'sec-fetch-site': 'same-site' },
      ]) {
        const response = await admin.request('POST', '/api/tokens', rename, headers);
        assert.equal((await failure(response)).code, 'foreign_origin', JSON.stringify(headers));
      }
      for (const headers of [
        {},
        { origin: server.url },
        { origin: `http://127.0.0.1:${server.port}` },
        { origin: 'https://other.example.org' },
        { 'sec-fetch-site': 'same-origin' },
      ]) {
        const response = await admin.request('POST', '/api/tokens', rename, headers);
        assert.equal(response.status, 201, JSON.stringify(headers));
      }
      // A program's token is not sent by a browser on its own, so there is nothing to forge.
      const info = await server.anyone.request('GET', `/api/session/${code}`, undefined, {
        origin: 'https://evil.example.org',
      });
      assert.equal(info.status, 200);
      assert.equal(info.headers.get('access-control-allow-origin'), null);
    });

    it('pages of the configured origins by CORS', async () => {
      const origin = 'https://other.example.org';
      const preflight = await server.anyone.request('OPTIONS', '/api/workshops', undefined, { origin });
      assert.equal(preflight.status, 204);
      assert.equal(preflight.headers.get('access-control-allow-origin'), origin);
      assert.match(preflight.headers.get('access-control-allow-headers') ?? '', /Authorization/);
      const foreign = await server.anyone.request('OPTIONS', '/api/workshops', undefined, {
        origin: 'https://evil.example.org',
      });
      assert.equal(foreign.headers.get('access-control-allow-origin'), null);
    });
  });

  describe('keeps instructors apart', () => {
    it('another’s workshop is one that does not exist, and only admins see the overview', async () => {
      const bob = await server.signedIn(await server.linkFor('bob@example.org'));
      assert.deepEqual(await bob.json(200, 'GET', '/api/workshops'), { workshops: [] });
      const missing = { status: 404, code: 'not_found' };
      const { id } = workshop;
      for (const [method, path, body] of [
        ['GET', `/api/workshops/${id}`, undefined],
        ['GET', `/api/workshops/${id}/events`, undefined],
        ['POST', `/api/workshops/${id}/start`, {}],
        ['POST', `/api/workshops/${id}/stop`, {}],
        ['POST', `/api/workshops/${id}/extend`, { minutes: 5 }],
        ['POST', `/api/workshops/${id}/seats/1/restart`, {}],
        ['POST', `/api/workshops/${id}/seats/1/reset`, {}],
        ['DELETE', `/api/workshops/${id}`, undefined],
      ] as const) {
        await fails(bob, method, path, body, missing);
      }
      await fails(bob, 'GET', '/api/admin/overview', undefined, { status: 403, code: 'forbidden' });
      assert.equal((await admin.json<WorkshopDetails>(200, 'GET', `/api/workshops/${id}`)).phase, 'ready');
    });
  });

  describe('says what is wrong', () => {
    const made = { name: 'x', seats: 1 };

    it('with the input: which field, in a sentence', async () => {
      const wrong = (field: string) => ({ status: 400, code: 'invalid_input', field });
      await fails(admin, 'POST', '/api/workshops', { seats: 1 }, wrong('name'));
      await fails(admin, 'POST', '/api/workshops', { ...made, seats: 0 }, wrong('seats'));
      await fails(admin, 'POST', '/api/workshops', { ...made, seats: MAX_SEATS + 1 }, wrong('seats'));
      await fails(admin, 'POST', '/api/workshops', { ...made, seats: '3' }, wrong('seats'));
      await fails(admin, 'POST', '/api/workshops', { ...made, runtime: 'podman' }, wrong('runtime'));
      await fails(admin, 'POST', '/api/workshops', { ...made, runtime: 'docker' }, wrong('runtime'));
      await fails(admin, 'POST', '/api/workshops', { ...made, ttlMinutes: 1 }, wrong('ttlMinutes'));
      await fails(admin, 'POST', '/api/workshops', { ...made, code: '!' }, wrong('code'));
      await fails(admin, 'POST', '/api/workshops?wait=later', made, wrong('wait'));
      await fails(server.anyone, 'POST', '/api/join', { code: workshop.code }, wrong('name'));
      await fails(server.anyone, 'POST', '/api/join', { name: 'Ann' }, wrong('code'));
      const { message } = await failure(await admin.request('POST', '/api/workshops', { ...made, seats: 0 }));
      assert.equal(message, 'A workshop has at least 1 seat.');
      for (const body of [[], 'null', '"x"', '1']) {
        const { status, code } = await failure(await admin.request('POST', '/api/workshops', body));
        assert.deepEqual([status, code], [400, 'invalid_input']);
      }
    });

    it('with every field at once, and with no more of them than a person reads', async () => {
      const several = await failure(
        await admin.request('POST', '/api/workshops', { name: ' ', seats: 0, code: '!', apiKey: 'short' }),
      );
      assert.deepEqual([several.field, several.message], ['name', 'Give the workshop a name.']);
      assert.deepEqual(several.problems?.[0], { field: 'name', message: 'Give the workshop a name.' });
      assert.deepEqual(
        several.problems?.map(({ field }) => field),
        ['name', 'seats', 'code', 'apiKey'],
      );
      const one = await failure(await admin.request('POST', '/api/workshops', { ...made, seats: 0 }));
      assert.equal(one.problems, undefined);
      const answers = Object.fromEntries(Array.from({ length: 5_000 }, (_, index) => [`q${index}`, 1]));
      const flood = await failure(
        await server.anyone.request('POST', '/api/register', { code: workshop.code, name: 'Ann', answers }),
      );
      assert.equal(flood.problems?.length, 30);
    });

    it('with the request as such', async () => {
      const malformed = { status: 400, code: 'invalid_input' };
      await fails(server.anyone, 'POST', '/api/join', '{"code":', malformed);
      await fails(server.anyone, 'POST', '/api/join', '{"__proto__":{"x":1}}', malformed);
      const form = await server.anyone.request('POST', '/api/join', 'code=x', {
        'content-type': 'application/x-www-form-urlencoded',
      });
      assert.deepEqual([(await failure(form)).code, form.status], ['invalid_input', 400]);
      await fails(server.anyone, 'POST', '/api/join', JSON.stringify({ name: 'x'.repeat(1_100_000) }), {
        status: 413,
        code: 'too_large',
      });
    });

    it('with what is not HTTP', async () => {
      const socket = connect(server.port, '127.0.0.1');
      socket.end('NONSENSE\r\n\r\n');
      const answer = await text(socket);
      assert.match(answer, /^HTTP\/1\.1 400 Bad Request\r\n/);
      const { error } = JSON.parse(answer.slice(answer.indexOf('\r\n\r\n'))) as ErrorBody;
      assert.equal(error.code, 'invalid_input');
      assert.ok(error.requestId);
    });

    it('with the address', async () => {
      const missing = { status: 404, code: 'not_found' };
      await fails(admin, 'GET', '/api/nothing', undefined, missing);
      const otherMethod = { status: 405, code: 'method_not_allowed' };
      await fails(admin, 'PATCH', '/api/workshops', {}, otherMethod);
      await fails(admin, 'GET', '/api/join', undefined, otherMethod);
      await fails(admin, 'GET', '/api/workshops/ws-00000000', undefined, missing);
      await fails(admin, 'GET', '/api/workshops/nonsense', undefined, missing);
      await fails(admin, 'GET', '/api/workshops/%2e%2e%2fx', undefined, missing);
      await fails(admin, 'POST', `/api/workshops/${workshop.id}/seats/99/restart`, {}, missing);
      await fails(admin, 'POST', `/api/workshops/${workshop.id}/seats/0/restart`, {}, missing);
      await fails(admin, 'GET', '/api/%', undefined, missing);
      await fails(admin, 'GET', '/api/session/UNKNOWN', undefined, { status: 404, code: 'unknown_code' });
      await fails(admin, 'DELETE', '/api/tokens/none', undefined, missing);
    });
  });

  describe('makes workshops', () => {
    it('at once, at the start, or when every seat is usable', async () => {
      const quiet = await admin.json<WorkshopDetails>(201, 'POST', '/api/workshops', { name: 'a', seats: 1 });
      assert.equal(quiet.phase, 'stopped');
      const started = await admin.json<WorkshopDetails>(202, 'POST', '/api/workshops', {
        name: 'b',
        seats: 1,
        start: true,
      });
      assert.equal(started.phase, 'starting');
      const later = await admin.json<WorkshopDetails>(202, 'POST', `/api/workshops/${quiet.id}/start`);
      assert.ok(['starting', 'ready'].includes(later.phase));
      const ready = await admin.json<WorkshopDetails>(
        200,
        'POST',
        `/api/workshops/${quiet.id}/start?wait=ready`,
        '',
      );
      assert.equal(ready.phase, 'ready');
      assert.equal(ready.readySeats, 1);
      assert.equal(ready.joinUrl, `${server.url}/join/${ready.code}`);
      await admin.json(202, 'POST', `/api/workshops/${quiet.id}/stop`);
      for (const { id } of [quiet, started]) await admin.json(202, 'DELETE', `/api/workshops/${id}`);
    });

    it('and never shows an API key again', async () => {
      const made = await server.createWorkshop(admin, { apiKey: 'sk-very-secret', seats: 1 });
      assert.equal(made.hasApiKey, true);
      const shown = await admin.request('GET', `/api/workshops/${made.id}`);
      assert.doesNotMatch(await shown.text(), /sk-very-secret/);
      assert.doesNotMatch(server.logLines.join(''), /sk-very-secret/);
      await admin.json(202, 'DELETE', `/api/workshops/${made.id}`);
    });
  });

  describe('joins learners', () => {
    let session: SeatSession;
    beforeEach(async () => {
      session = await server.anyone.json(200, 'POST', '/api/join', {
        code: ` ${workshop.code.toLowerCase().slice(0, 3)}-${workshop.code.slice(3)}`,
        name: 'Ann',
        odehash: 'ANNSK234',
      });
    });

    it('with a token for their seat and the address of it', () => {
      assert.equal(session.seat, 1);
      assert.equal(session.odehash, 'ANNSK234');
      assert.deepEqual(session.workshop, { id: workshop.id, name: workshop.name });
      assert.equal(session.endpoint, `http://127.0.0.1:${server.port}/debug/proxy/${workshop.id}`);
      const lifetime = Date.parse(session.expiresAt) - Date.now();
      assert.ok(lifetime > 7_100_000 && lifetime <= 7_200_000);
    });

    it('and renews their token, from the body or the header', async () => {
      const path = '/api/session/renew';
      const one = await server.anyone.json<SeatSession>(200, 'POST', path, { token: session.token });
      const bearer = server.as({ authorization: `Bearer ${session.token}` });
      const two = await bearer.json<SeatSession>(200, 'POST', path);
      const three = await bearer.json<SeatSession>(200, 'POST', path, {});
      assert.equal(new Set([session.token, one.token, two.token, three.token]).size, 4);
      for (const each of [one, two, three]) {
        assert.deepEqual([each.seat, each.odehash, each.name], [1, 'ANNSK234', 'Ann']);
      }
      await fails(
        server.anyone,
        'POST',
        path,
        { token: `${session.token}x` },
        {
          status: 401,
          code: 'unauthenticated',
        },
      );
    });

    it('and says when the workshop ends by itself, also when the end was moved', async () => {
      const { endsAt } = await admin.json<WorkshopDetails>(200, 'GET', `/api/workshops/${workshop.id}`);
      assert.equal(session.endsAt, endsAt);
      assert.ok(Math.abs(Date.parse(session.issuedAt ?? '') - Date.now()) < 60_000);
      await admin.json(200, 'POST', `/api/workshops/${workshop.id}/extend`, { minutes: 30 });
      const bearer = server.as({ authorization: `Bearer ${session.token}` });
      const renewed = await bearer.json<SeatSession>(200, 'POST', '/api/session/renew');
      assert.equal(Date.parse(renewed.endsAt ?? '') - Date.parse(endsAt ?? ''), 30 * 60_000);
    });

    it('and tells the page what it needs to know of a code', async () => {
      assert.deepEqual(await server.anyone.json(200, 'GET', `/api/session/${workshop.code}`), {
        workshop: { id: workshop.id, name: workshop.name },
        state: 'open',
        seats: 2,
        freeSeats: 1,
        entry: 'open',
        registration: null,
      });
    });
  });

  describe('tells programs', () => {
    it('the whole API as OpenAPI 3.1', async () => {
      const document = await server.anyone.json<{
        openapi: string;
        paths: Record<string, Record<string, { security: unknown[]; responses: Record<string, unknown> }>>;
      }>(200, 'GET', '/api/openapi.json');
      assert.match(document.openapi, /^3\.1\./);
      const operations = document.paths['/api/workshops/{id}/start']?.post;
      assert.deepEqual(operations?.security, [{ apiToken: [] }, { session: [] }]);
      assert.ok(operations?.responses['404'] && operations.responses['202']);
      assert.deepEqual(document.paths['/api/join']?.post?.security, []);
      assert.ok(document.paths['/api/auth/sign-in/email']);
    });

    it('its public keys, which verify a seat token', async () => {
      const response = await server.anyone.request('GET', '/.well-known/jwks.json');
      const { keys } = (await response.json()) as { keys: { kid: string; alg: string; d?: string }[] };
      assert.deepEqual([keys.length, keys[0]?.alg, keys[0]?.d], [1, 'RS256', undefined]);
      assert.match(response.headers.get('cache-control') ?? '', /max-age=60/);
    });

    it('that offer HTTP/2 what they asked for', async () => {
      const asked = request({
        port: server.port,
        host: '127.0.0.1',
        path: '/api/health',
        headers: { connection: 'Upgrade, HTTP2-Settings', upgrade: 'h2c', 'http2-settings': 'AAMAAABk' },
      }).end();
      const [response] = (await once(asked, 'response')) as [IncomingMessage];
      assert.equal(response.statusCode, 200);
      response.resume();
      await once(response, 'end');
    });

    it('its health', async () => {
      assert.deepEqual(await server.anyone.json(200, 'GET', '/api/health'), {
        status: 'ok',
        version: '0.1.0',
        database: { kind: 'sqlite', ok: true },
        runtimes: [
          ...((await server.anyone.json<{ runtimes: object[] }>(200, 'GET', '/api/health')).runtimes ?? []),
        ],
        workers: null,
        defaultRuntime: 'local',
      });
      const overview = await admin.json<{ seats: object }>(200, 'GET', '/api/admin/overview');
      assert.deepEqual(overview.seats, { wanted: 2, ready: 1, occupied: 1, failed: 0, lost: 0 });
    });

    it('its figures', async () => {
      const text = await (await server.anyone.request('GET', '/metrics')).text();
      assert.match(text, /^clarateach_seats\{state="wanted"\} 2$/m);
      assert.match(text, /^clarateach_ready_guests\{state="ready"\} 0$/m);
      assert.match(text, /^clarateach_workshops\{state="running"\} 1$/m);
      assert.match(text, /^clarateach_database_up 1$/m);
      assert.match(text, /^clarateach_gateway_connections 0$/m);
      assert.match(text, /^clarateach_reconciler_steps_total\{step="ensure",outcome="ok"\} \d+$/m);
      assert.match(text, /clarateach_http_request_duration_seconds_count\{method="POST",route="\/api\/join"/);
      assert.match(text, /^process_resident_memory_bytes \d+$/m);
    });
  });

  it('logs every request as one line of JSON, and no secret', async () => {
    const { token } = await admin.json<{ token: string }>(201, 'POST', '/api/tokens', { name: 'log' });
    await server.as({ authorization: `Bearer ${token}` }).json(200, 'GET', '/api/account?secret=hunter2');
    const lines = server.logLines.map((line) => JSON.parse(line) as { path?: string; reqId?: string });
    assert.ok(lines.some((line) => line.path === '/api/account' && line.reqId !== undefined));
    await server.anyone.json(200, 'GET', `/api/session/${workshop.code}`);
    const link = new URL(server.signInUrl ?? '').searchParams.get('token') ?? '';
    const cookie = admin.headers.cookie ?? '';
    for (const secret of [token, link, workshop.code, 'hunter2', cookie.split('=')[1] ?? 'cookie']) {
      assert.ok(!server.logLines.join('').includes(secret), secret);
    }
  });
});
