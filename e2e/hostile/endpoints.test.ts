import assert from 'node:assert/strict';
import { glob, readFile } from 'node:fs/promises';
import { createServer, request as httpRequest } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { api } from '@clarateach/contract/api';
import type { TestClient } from '@clarateach/server/testing/server';
import { type Known, type Operation, operationsOf, sampleCall, unstated } from './operations.ts';
import { type HostileRoom, hostileRoom, instructor } from './room.ts';
import { bearer, type Said, say } from './wire.ts';

const SEED = 20_260_101;
const ROOT = join(import.meta.dirname, '..', '..');
/** Served for browsers that follow a link; not for programs, so not in the document. */
const NOT_DOCUMENTED = new Set(['/api/openapi.json', '/api/auth/link']);

/** Who tries, and with what. */
interface Attempt {
  readonly who: string;
  readonly kind: 'anonymous' | 'learner' | 'stranger' | 'admin';
  /** A call may end the session that it is made with, so each is made with a new one. */
  readonly headers: () => Promise<Readonly<Record<string, string>>>;
}

const call = (
  base: string,
  operation: Operation,
  known: Known,
  headers: Readonly<Record<string, string>>,
) => {
  const { path, body } = sampleCall(operation, known, SEED);
  return say(base, path, {
    method: operation.method,
    headers: { ...headers, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
};

/** What the contract's meta allows this caller; undefined when all is as it says. */
function judge(
  operation: Operation,
  { kind }: Attempt,
  { status, body }: Said,
  secrets: readonly string[],
): string | undefined {
  const expected = expectedOf(operation, kind);
  if (status >= 500) return `answered ${status}`;
  if (!expected.includes(status)) return `answered ${status} instead of ${expected.join(' or ')}`;
  const leaked = secrets.find((secret) => body.includes(secret));
  return leaked === undefined ? undefined : `told ${leaked}`;
}

/** The statuses that refuse. Whoever may not know a thing is told that it does not exist. */
function expectedOf({ caller, path }: Operation, kind: Attempt['kind']): readonly number[] {
  switch (kind) {
    case 'anonymous':
      return [401];
    case 'learner':
      return caller === 'learner' ? [200] : [401];
    case 'stranger':
      if (caller === 'admin') return [403];
      if (caller === 'learner') return [401];
      return path.includes('{') ? [404] : [200, 201, 202, 400, 409];
    // The admin is an instructor like others here; what more they may do, the server itself says.
    case 'admin':
      return caller === 'learner' ? [401] : [200, 201, 202, 400, 404, 409];
  }
}

/** Everybody who must not get through, at every procedure that does not let everybody in. */
async function intrusions(
  base: string,
  operations: readonly Operation[],
  attempts: readonly Attempt[],
  target: { readonly known: readonly Known[]; readonly secrets: readonly string[] },
): Promise<{ readonly tried: number; readonly found: string[] }> {
  const found: string[] = [];
  let tried = 0;
  for (const operation of operations) {
    if (operation.caller === undefined || operation.caller === 'anyone') continue;
    const things = operation.path.includes('{') ? target.known : target.known.slice(0, 1);
    for (const attempt of attempts) {
      // A learner's own renewal is allowed, and is tried with the tokens.
      if (operation.caller === 'learner' && attempt.kind === 'learner') continue;
      for (const known of things) {
        const said = await call(base, operation, known, await attempt.headers());
        tried++;
        // What the caller has sent is nothing that they are told.
        const told = target.secrets.filter((secret) => !Object.values(known).includes(secret));
        const problem = judge(operation, attempt, said, told);
        if (problem) found.push(`${attempt.who} at ${operation.method} ${operation.path}: ${problem}`);
      }
    }
  }
  return { tried, found };
}

describe('every endpoint in a hostile room', () => {
  let room: HostileRoom;
  let operations: Operation[];
  let things: Known[];
  let secrets: string[];
  let intruders: Attempt[];

  before(async () => {
    room = await hostileRoom();
    const { ben, mallory, workshop, ada, eve, mia, server } = room;
    operations = await operationsOf(server.anyone);
    const { tokens } = await ben.browser.json<{ tokens: { id: string }[] }>(200, 'GET', '/api/tokens');
    const { id: account } = await ben.browser.json<{ id: string }>(200, 'GET', '/api/account');
    const common = { seat: 1, code: workshop.code, odehash: ada.odehash, minutes: 5 };
    // Whatever a path's `id` names, one of these is such a thing of Ben's.
    things = [workshop.id, tokens[0]?.id ?? '', account].map((id) => ({
      ...common,
      id,
      workshop: workshop.id,
    }));
    secrets = [
      workshop.id,
      workshop.name,
      ben.email,
      ben.token,
      ada.token,
      ada.odehash,
      tokens[0]?.id ?? 'none',
    ];
    intruders = [
      { who: 'nobody', kind: 'anonymous', headers: async () => ({}) },
      { who: 'a forged token', kind: 'anonymous', headers: async () => bearer(`ctk_${'A'.repeat(43)}`) },
      { who: 'an empty token', kind: 'anonymous', headers: async () => ({ authorization: 'Bearer ' }) },
      {
        who: 'a forged cookie',
        kind: 'anonymous',
        headers: async () => ({ cookie: 'clarateach-session=forged.forged' }),
      },
      { who: 'a learner', kind: 'learner', headers: async () => bearer(ada.token) },
      { who: 'a neighbour', kind: 'learner', headers: async () => bearer(eve.token) },
      { who: 'a learner of elsewhere', kind: 'learner', headers: async () => bearer(mia.token) },
      {
        who: 'another instructor',
        kind: 'stranger',
        headers: async () => bearer((await instructor(server, await server.linkFor(mallory.email))).token),
      },
      {
        who: "another instructor's browser",
        kind: 'stranger',
        headers: async () => (await instructor(server, await server.linkFor(mallory.email))).browser.headers,
      },
    ];
  });
  after(() => room[Symbol.asyncDispose]());

  it('is described, and states who may call it', () => {
    assert.deepEqual(unstated(api), []);
    assert.ok(operations.length >= 20, `${operations.length} operations`);
    const silent = operations.filter(({ caller, statesSecurity }) => caller === undefined && !statesSecurity);
    assert.deepEqual(
      silent.map(({ operationId }) => operationId),
      [],
    );
  });

  it('is in the document, wherever the server mounts it', async () => {
    const described = new Set(operations.map(({ path }) => path));
    const missing: string[] = [];
    for await (const file of glob('apps/server/src/**/*.ts', { cwd: ROOT })) {
      if (file.endsWith('.test.ts')) continue;
      const text = await readFile(join(ROOT, file), 'utf8');
      for (const [, path = ''] of text.matchAll(/\bapp\.(?:get|post|put|patch|delete|all)\(\s*'([^']+)'/g)) {
        if (!described.has(path) && !NOT_DOCUMENTED.has(path)) missing.push(`${file}: ${path}`);
      }
    }
    assert.deepEqual(missing, []);
  });

  it('lets in nobody whom it does not name, tells them nothing and changes nothing', async () => {
    const before = await stateOf(room);
    const { tried, found } = await intrusions(room.base, operations, intruders, { known: things, secrets });
    assert.deepEqual(found, []);
    assert.ok(tried >= 100, `only ${tried} were tried`);
    assert.deepEqual(await stateOf(room), before);
  });

  it("of the operator's refuses instructors, also the owner of what it is about", async () => {
    const owner: Attempt = {
      who: 'the owner',
      kind: 'stranger',
      headers: async () => bearer(room.ben.token),
    };
    const admins = operations.filter(({ caller }) => caller === 'admin');
    assert.ok(admins.length > 0);
    const { found } = await intrusions(room.base, admins, [owner], { known: things, secrets: [] });
    assert.deepEqual(found, []);
  });

  it("that a session's cookie opens refuses pages of other sites, whatever they send", async () => {
    const changing = operations.filter(({ method, caller }) => method !== 'GET' && caller === 'instructor');
    const { origin: _, ...cookie } = room.ben.browser.headers as Record<string, string>;
    const before = await stateOf(room);
    const found: string[] = [];
    for (const headers of [
      { origin: 'https://evil.example' },
      { origin: 'null' },
      { origin: `${room.server.url}.evil.example` },
      { origin: room.server.url.replace('http:', 'https:') },
      { origin: `http://3000--1--${room.workshop.id}.localhost:${room.server.port}` },
      { 'sec-fetch-site': 'cross-site' },
      { 'sec-fetch-site': 'same-site' },
    ]) {
      for (const operation of changing) {
        const said = await call(
          room.base,
          operation,
          things[0] as Known,
          { ...cookie, ...headers } as Record<string, string>,
        );
        const code = /"code":"(\w+)"/.exec(said.body)?.[1];
        if (said.status !== 403 || code !== 'foreign_origin') {
          found.push(`${operation.path} from ${JSON.stringify(headers)}: ${said.status} ${code}`);
        }
      }
    }
    assert.deepEqual(found, []);
    assert.deepEqual(await stateOf(room), before);
  });

  it('answers those it names, with input made from its own description', async () => {
    const found: string[] = [];
    // What takes things away comes last, each on a workshop of its own.
    for (const operation of [...operations].sort((a, b) => rank(a) - rank(b))) {
      if (operation.caller === undefined) continue;
      const { headers, mine } = await allowed(room, operation);
      const said = await call(room.base, operation, { ...things[0], ...mine }, headers);
      const turnedAway = said.status === 401 || said.status === 403 || said.status === 405;
      const lost = said.status === 404 && operation.caller !== 'anyone';
      if (said.status >= 500 || turnedAway || lost) {
        found.push(`${operation.method} ${operation.path}: ${said.status} ${said.body.slice(0, 200)}`);
      }
    }
    assert.deepEqual(found, []);
  });

  it("takes the admin for no learner, and falls over none of the admin's calls", async () => {
    const admin: Attempt = {
      who: 'the admin',
      kind: 'admin',
      headers: async () =>
        (await instructor(room.server, await room.server.linkFor(room.admin.email))).browser.headers,
    };
    const { tried, found } = await intrusions(room.base, operations, [admin], { known: things, secrets: [] });
    assert.deepEqual(found, []);
    assert.ok(tried >= 15);
  });

  it('the check notices a server that takes everybody for the owner', async () => {
    const leaky = await takesEverybodyFor(room.base, bearer(room.ben.token));
    const reading = operations.filter(({ method }) => method === 'GET');
    const { found } = await intrusions(leaky.base, reading, intruders, { known: things, secrets });
    leaky.close();
    for (const who of ['nobody', 'a learner', 'another instructor']) {
      assert.ok(
        found.some((hole) => hole.startsWith(`${who} at GET /api/workshops/{id}:`)),
        who,
      );
    }
  });

  it('the check notices a procedure that states no caller, or one that nobody checks', () => {
    const procedure = (meta: object) => ({ '~orpc': { meta } });
    const holed = { ...api, extra: { open: procedure({}), odd: procedure({ caller: 'everyone' }) } };
    assert.deepEqual(unstated(holed), [
      'extra.open states no caller',
      'extra.odd states the caller "everyone"',
    ]);
  });
});

const rank = ({ method, path }: Operation) =>
  method === 'GET' ? 0 : method === 'DELETE' || /stop|reset|revoke|sign-out|remove/.test(path) ? 2 : 1;

/** The one whom the meta names, with things of their own that the call may use up. */
async function allowed(room: HostileRoom, { caller, path }: Operation) {
  const { server, ben, admin } = room;
  if (caller === 'learner' || caller === 'anyone') {
    const fresh = await server.createWorkshop(ben.program, { seats: 1 });
    const session = await server.anyone.json<{ token: string }>(200, 'POST', '/api/join', {
      code: fresh.code,
      name: 'Fay',
    });
    return {
      headers: caller === 'anyone' ? {} : bearer(session.token),
      mine: { id: fresh.id, code: fresh.code, token: session.token },
    };
  }
  const who = caller === 'admin' ? admin : ben;
  // The call may end the session that it is made with.
  const session: TestClient = await server.signedIn(await server.linkFor(who.email));
  const headers = { ...session.headers, origin: server.url };
  const browser = server.as(headers);
  if (path.startsWith('/api/tokens')) {
    const { id } = await browser.json<{ id: string }>(201, 'POST', '/api/tokens', { name: 'to be revoked' });
    return { headers, mine: { id } };
  }
  const { id } = await server.createWorkshop(browser, { seats: 1 });
  return { headers, mine: { id, code: '' } };
}

/** All that an intruder could have changed. */
async function stateOf({ ben, workshop }: HostileRoom): Promise<unknown> {
  const [details, account, { tokens }] = await Promise.all([
    ben.program.json<Record<string, unknown>>(200, 'GET', `/api/workshops/${workshop.id}`),
    ben.program.json(200, 'GET', '/api/account'),
    ben.program.json<{ tokens: { id: string; name: string }[] }>(200, 'GET', '/api/tokens'),
  ]);
  return { details, account, tokens: tokens.map(({ id, name }) => ({ id, name })) };
}

/** A planted hole: a way to the server that puts the owner's credentials in place of everybody's. */
async function takesEverybodyFor(base: string, credentials: Readonly<Record<string, string>>) {
  const { port } = new URL(base);
  const server = createServer((request, response) => {
    const { cookie: _, authorization: __, ...headers } = request.headers;
    const forwarded = httpRequest(
      {
        host: '127.0.0.1',
        port,
        path: request.url,
        method: request.method,
        headers: { ...headers, ...credentials },
      },
      (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(response);
      },
    );
    request.pipe(forwarded);
    response.on('close', () => forwarded.destroy());
    forwarded.on('error', () => response.destroy());
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  return {
    base: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}
