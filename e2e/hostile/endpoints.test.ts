import assert from 'node:assert/strict';
import { glob, readFile } from 'node:fs/promises';
import { createServer, request as httpRequest } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { api } from '@clarateach/contract/api';
import type { WorkshopDetails } from '@clarateach/contract/workshop';
import { eventually } from '@clarateach/server/testing/control-plane';
import type { TestServer } from '@clarateach/server/testing/server';
import { type Known, type Operation, operationsOf, sampleCall, unstated } from './operations.ts';
import { type HostileRoom, hostileRoom, type Instructor, instructor } from './room.ts';
import { invitation, registration, removal, thingsFor } from './things.ts';
import { bearer, type Said, say } from './wire.ts';

const SEED = 20_260_101;
const ROOT = join(import.meta.dirname, '..', '..');
/** Served for browsers that follow a link; not for programs, so not in the document. */
const NOT_DOCUMENTED = new Set(['/api/openapi.json', '/api/auth/link']);

/** Who tries, and with what. */
interface Attempt {
  readonly who: string;
  readonly kind: 'anonymous' | 'learner' | 'stranger';
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
  }
}

/** What the admin is answered about what is another's: `mayRun` opens workshops to them, nothing opens accounts. */
function ofAdmin({ caller, path }: Operation): readonly number[] {
  if (caller === 'learner') return [401];
  if (/^\/api\/(tokens|account)\/.*\{/.test(path)) return [404];
  return [200, 201, 202, 400, 409];
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
    room = await hostileRoom({ places: 3 });
    const { ben, admin, mallory, workshop, ada, eve, mia, server } = room;
    operations = await operationsOf(server.anyone);
    const { tokens } = await ben.browser.json<{ tokens: { id: string }[] }>(200, 'GET', '/api/tokens');
    const { id: account } = await ben.browser.json<{ id: string }>(200, 'GET', '/api/account');
    const { sessions } = await ben.browser.json<{ sessions: { id: string }[] }>(
      200,
      'GET',
      '/api/account/sessions',
    );
    const rae = await registration(server.anyone, ben.program, workshop.id);
    const zed = await removal(server.anyone, ben.program, workshop.id);
    const invited = await invitation(admin.program, 'invited@example.org');
    const { registrations } = await ben.program.json<{ registrations: { accessCode: string }[] }>(
      200,
      'GET',
      `/api/workshops/${workshop.id}/registrations`,
    );
    const common = {
      ...{ seat: 1, code: workshop.code, odehash: ada.odehash, minutes: 5, workshop: workshop.id },
      ...{ registration: rae, removal: zed, userId: account },
    };
    // Whatever a path's `id` names, one of these is such a thing of Ben's, or of the admin's.
    things = [workshop.id, tokens[0]?.id ?? '', account, sessions[0]?.id ?? '', invited].map((id) => ({
      ...common,
      id,
    }));
    await steady(room);
    secrets = [
      workshop.id,
      workshop.name,
      ben.email,
      ben.token,
      ada.token,
      ada.odehash,
      tokens[0]?.id ?? 'none',
      registrations[0]?.accessCode ?? 'none',
      'rae@example.org',
      'invited@example.org',
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

  it('lets the admin run every workshop, and be neither a learner nor the owner of an account', async () => {
    const found: string[] = [];
    let tried = 0;
    for (const operation of [...operations].sort((a, b) => rank(a) - rank(b))) {
      const { caller, path, method } = operation;
      if (caller === undefined || caller === 'anyone') continue;
      // Whoever has a learner's token is that learner, so the admin has none.
      const { token: _, ...bens } = await thingsFor(room, room.ben.program, path);
      const headers = await browserOf(room.server, room.admin);
      const { status } = await call(room.base, operation, bens, headers);
      tried++;
      if (!ofAdmin(operation).includes(status)) found.push(`${method} ${path}: ${status}`);
    }
    assert.deepEqual(found, []);
    assert.ok(tried >= 40, `only ${tried} were tried`);
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
    const mine = await thingsFor(room, ben.program, path);
    return { headers: caller === 'anyone' ? {} : bearer(String(mine.token)), mine };
  }
  const headers = await browserOf(server, caller === 'admin' ? admin : ben);
  return { headers, mine: await thingsFor(room, server.as(headers), path) };
}

/** A call may end the session that it is made with, so each is made with a new one. */
async function browserOf(server: TestServer, { email }: Instructor): Promise<Record<string, string>> {
  const session = await server.signedIn(await server.linkFor(email));
  return { ...session.headers, origin: server.url };
}

/** All that an intruder could have changed. Ben's own sessions and tokens are those of his calls. */
async function stateOf({ ben, admin, workshop }: HostileRoom): Promise<unknown> {
  const about = `/api/workshops/${workshop.id}`;
  const [details, registrations, removals, instructors, account, sessions, { tokens }, people] =
    await Promise.all([
      ben.program.json(200, 'GET', about),
      ben.program.json(200, 'GET', `${about}/registrations`),
      ben.program.json(200, 'GET', `${about}/removals`),
      ben.program.json(200, 'GET', `${about}/instructors`),
      ben.program.json(200, 'GET', '/api/account'),
      ben.program.json<{ sessions: { id: string }[] }>(200, 'GET', '/api/account/sessions'),
      ben.program.json<{ tokens: { id: string; name: string }[] }>(200, 'GET', '/api/tokens'),
      admin.program.json<{
        people: { id: string; email: string; role: string; disabled: boolean; workshops: number }[];
        invitations: object[];
      }>(200, 'GET', '/api/admin/people'),
    ]);
  return {
    ...{ details, registrations, removals, instructors, account },
    sessions: sessions.sessions.map(({ id }) => id),
    tokens: tokens.map(({ id, name }) => ({ id, name })),
    // Whoever intrudes signs in for it, and makes workshops of their own: no more of that than who is who.
    people: people.people.map(({ id, email, role, disabled }) => ({ id, email, role, disabled })),
    invitations: people.invitations,
  };
}

/**
 * A seat counts its starts until it has run for ten seconds: the one change that the platform makes
 * by itself. From then on only a call changes what its owner sees.
 */
async function steady({ ben, workshop }: HostileRoom): Promise<void> {
  await eventually(async () => {
    const { seats } = await ben.program.json<WorkshopDetails>(200, 'GET', `/api/workshops/${workshop.id}`);
    return seats.every(({ phase, attempts }) => attempts === 0 && ['ready', 'occupied'].includes(phase));
  }, 30_000);
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
