import assert from 'node:assert/strict';
import type { IncomingHttpHeaders } from 'node:http';
import { afterEach, beforeEach, it } from 'node:test';
import { eachDatabase, type TestDatabase } from '../store/testing.ts';
import { createPeople, type People, type Person } from './people.ts';

const PASSWORD = 'correct horse battery';
const ADMIN = { name: 'Ann', email: 'Ann@example.org', password: PASSWORD };

function cookieHeader(cookies: readonly string[]): IncomingHttpHeaders {
  return { cookie: cookies.map((cookie) => cookie.split(';', 1)[0]).join('; ') };
}

eachDatabase('people', (open) => {
  let test: TestDatabase;
  let people: People;
  let clock: number;
  const errors: unknown[] = [];
  const peopleOf = (publicUrl: string, database = test.database) =>
    createPeople({
      database,
      publicUrl,
      secret: Buffer.alloc(32, 'x9!Qk#'),
      now: () => clock,
      onError: (error) => errors.push(error),
    });

  beforeEach(async () => {
    test = await open();
    clock = Date.now();
    people = peopleOf('http://localhost:8080');
  });
  afterEach(async () => {
    await test.close();
    assert.deepEqual(errors.splice(0), []);
  });

  const from = (headers: IncomingHttpHeaders = {}) => ({ headers, address: '192.0.2.1' });
  const tokenOf = (link: string) => new URL(link).searchParams.get('token') ?? '';
  const authenticated = async (headers: IncomingHttpHeaders): Promise<Person> => {
    const person = await people.authenticate(headers);
    assert.ok(person);
    return person;
  };
  const byLink = async (email?: string) => {
    const cookies = await people.openSignInLink(tokenOf(await people.signInLink(email)), from());
    assert.ok(cookies);
    return { headers: cookieHeader(cookies), person: await authenticated(cookieHeader(cookies)) };
  };
  const signIn = (email: string, password: string, address = '192.0.2.1') =>
    people.signIn({ email, password }, { headers: {}, address });

  it('begin with a link that makes the first admin, once', async () => {
    assert.equal(await people.needsFirstSignIn(), true);
    const link = await people.signInLink();
    assert.match(link, /^http:\/\/localhost:8080\/api\/auth\/link\?token=[\w-]{32}$/);
    const cookies = await people.openSignInLink(tokenOf(link), from({ 'user-agent': 'curl' }));
    assert.match(cookies?.[0] ?? '', /^clarateach-session=.+; Max-Age=\d+; Path=\/; HttpOnly; SameSite=Lax$/);
    const person = await authenticated(cookieHeader(cookies ?? []));
    assert.equal(person.role, 'admin');
    assert.deepEqual(await people.account(person), {
      id: person.userId,
      name: 'Administrator',
      email: '',
      emailVerified: true,
      role: 'admin',
      hasPassword: false,
      hasProvider: false,
    });
    assert.equal(await people.needsFirstSignIn(), true);
    assert.equal(await people.openSignInLink(tokenOf(link), from()), undefined);
    assert.equal(await people.openSignInLink('made-up', from()), undefined);
  });

  it('make one admin of many links that are opened at once', async () => {
    const links = await Promise.all(Array.from({ length: 6 }, () => people.signInLink()));
    const opened = await Promise.all(links.map((link) => people.openSignInLink(tokenOf(link), from())));
    const ids = new Set<string>();
    for (const cookies of opened) ids.add((await authenticated(cookieHeader(cookies ?? []))).userId);
    assert.equal(ids.size, 1);
  });

  it('open one link once, however many open it at the same moment', async () => {
    const token = tokenOf(await people.signInLink());
    const opened = await Promise.all(Array.from({ length: 6 }, () => people.openSignInLink(token, from())));
    assert.equal(opened.filter((cookies) => cookies !== undefined).length, 1);
  });

  it('let a link go stale after a day, and when the admin has a password', async () => {
    await test.database.db
      .updateTable('authVerifications')
      .set({ expiresAt: new Date(0) })
      .execute();
    const old = await people.signInLink();
    await test.database.db
      .updateTable('authVerifications')
      .set({ expiresAt: new Date(Date.now() - 1000) })
      .execute();
    assert.equal(await people.openSignInLink(tokenOf(old), from()), undefined);
    const unused = await people.signInLink();
    const { person } = await byLink();
    await people.updateAccount(person, ADMIN);
    assert.equal(await people.openSignInLink(tokenOf(unused), from()), undefined);
    assert.equal(await people.needsFirstSignIn(), false);
  });

  it('sign in with e-mail and password once they have chosen them', async () => {
    const { person } = await byLink();
    assert.equal((await people.updateAccount(person, ADMIN)).email, 'ann@example.org');
    const headers = cookieHeader(await signIn('ANN@example.org', PASSWORD));
    const again = await authenticated(headers);
    assert.equal(again.userId, person.userId);
    assert.equal((await people.account(again)).hasPassword, true);
    const cleared = await people.signOut(headers);
    assert.match(cleared[0] ?? '', /Max-Age=0/);
    assert.equal(await people.authenticate(headers), undefined);
  });

  it('hear the same of a wrong password and of an unknown address, and are slowed', async () => {
    const { person } = await byLink();
    await people.updateAccount(person, ADMIN);
    const said: string[] = [];
    for (const email of ['ann@example.org', 'bob@example.org', 'no address']) {
      await signIn(email, 'wrong password').catch((error) => {
        assert.equal(error.code, 'unauthenticated');
        said.push(error.message);
      });
    }
    assert.equal(new Set(said).size, 1);
    const guesses = await Promise.allSettled(
      Array.from({ length: 8 }, () => signIn('ann@example.org', 'wrong password')),
    );
    const codes = guesses.map((guess) => (guess as PromiseRejectedResult).reason.code);
    assert.equal(codes.filter((code) => code === 'unauthenticated').length, 4);
    await assert.rejects(signIn('ann@example.org', PASSWORD), { code: 'too_many_attempts' });
    assert.ok(await signIn('ann@example.org', PASSWORD, '198.51.100.9'));
    clock += 60_000;
    assert.ok(await signIn('ann@example.org', PASSWORD));
  });

  it('leave nothing behind of sessions and links whose time is over', async () => {
    await people.updateAccount((await byLink()).person, ADMIN);
    await people.signInLink();
    clock += 15 * 24 * 60 * 60_000;
    await people.signInLink();
    await signIn('ann@example.org', PASSWORD);
    const { db } = test.database;
    assert.equal((await db.selectFrom('authVerifications').select('id').execute()).length, 1);
    // Sessions begin by the real clock, so by this one the newest is over too.
    assert.equal((await db.selectFrom('authSessions').select('id').execute()).length, 0);
  });

  it('change their password only with the old one, and thereby end other sessions', async () => {
    const first = await byLink();
    await people.updateAccount(first.person, ADMIN);
    const elsewhere = cookieHeader(await signIn('ann@example.org', PASSWORD));
    const here = cookieHeader(await signIn('ann@example.org', PASSWORD));
    const person = await authenticated(here);
    const change = { ...ADMIN, password: 'another long password' };
    await assert.rejects(people.updateAccount(person, change), {
      code: 'invalid_input',
      field: 'currentPassword',
    });
    await assert.rejects(people.updateAccount(person, { ...change, currentPassword: 'wrong' }), {
      code: 'invalid_input',
      field: 'currentPassword',
    });
    await people.updateAccount(person, { ...change, currentPassword: PASSWORD });
    assert.equal(await people.authenticate(elsewhere), undefined);
    assert.ok(await people.authenticate(here));
    await assert.rejects(signIn('ann@example.org', PASSWORD), { code: 'unauthenticated' });
    assert.ok(await signIn('ann@example.org', 'another long password'));
  });

  it('who forgot their password set a new one within an hour of opening a link', async () => {
    await people.updateAccount((await byLink()).person, ADMIN);
    const { headers, person } = await byLink();
    assert.equal((await people.account(person)).hasPassword, false);
    clock += 61 * 60_000;
    const late = await authenticated(headers);
    assert.equal((await people.account(late)).hasPassword, true);
    await assert.rejects(people.updateAccount(late, ADMIN), { field: 'currentPassword' });
    clock -= 61 * 60_000;
    await people.updateAccount(person, { ...ADMIN, password: 'a new long password' });
    assert.ok(await signIn('ann@example.org', 'a new long password'));
    assert.equal((await people.account(await authenticated(headers))).hasPassword, true);
  });

  it('who come by a link to their own address are instructors, and no two share an address', async () => {
    const admin = await byLink();
    await people.updateAccount(admin.person, ADMIN);
    const { person } = await byLink('Bob@example.org');
    assert.equal(person.role, 'instructor');
    assert.equal((await people.account(person)).email, 'bob@example.org');
    await assert.rejects(people.updateAccount(person, ADMIN), { code: 'already_exists', field: 'email' });
    assert.equal((await byLink('bob@example.org')).person.userId, person.userId);
  });

  it('give API tokens to programs, which are kept as hashes and can be revoked', async () => {
    const { person } = await byLink();
    const made = await people.tokens.create(person.userId, { name: 'laptop' });
    assert.match(made.token, /^ctk_[\w-]{43}$/);
    assert.ok(made.token.startsWith(made.hint.slice(0, -1)));
    const headers = { authorization: `Bearer ${made.token}` };
    const program = await authenticated(headers);
    assert.deepEqual([program.userId, program.role, program.via.kind], [person.userId, 'admin', 'api-token']);
    const [listed] = await people.tokens.list(person.userId);
    assert.equal(listed?.lastUsedAt, new Date(clock).toISOString());
    clock += 30_000;
    await people.authenticate(headers);
    assert.equal((await people.tokens.list(person.userId))[0]?.lastUsedAt, listed?.lastUsedAt);
    clock += 31_000;
    await people.authenticate(headers);
    assert.notEqual((await people.tokens.list(person.userId))[0]?.lastUsedAt, listed?.lastUsedAt);
    const rows = JSON.stringify(await test.database.db.selectFrom('apiTokens').selectAll().execute());
    assert.ok(!rows.includes(made.token));
    const other = (await byLink('bob@example.org')).person;
    await assert.rejects(people.tokens.revoke(other.userId, made.id), { code: 'not_found' });
    await people.tokens.revoke(person.userId, made.id);
    assert.equal(await people.authenticate(headers), undefined);
  });

  it('are nobody with a made-up cookie or token, also beside a good cookie', async () => {
    const { headers } = await byLink();
    const forged = String(headers.cookie).replace(/=.{5}/, '=AAAAA');
    assert.equal(await people.authenticate({ cookie: forged }), undefined);
    assert.equal(await people.authenticate({ cookie: 'clarateach-session=x' }), undefined);
    assert.equal(await people.authenticate({ authorization: 'Bearer ctk_x', ...headers }), undefined);
    assert.equal(await people.authenticate({ authorization: 'Basic eDp5' }), undefined);
    assert.equal(await people.authenticate({}), undefined);
  });

  it('get cookies that are bound to their host where the site has TLS', async () => {
    people = peopleOf('https://teach.example.org');
    const cookies = await people.openSignInLink(tokenOf(await people.signInLink()), from());
    assert.match(cookies?.[0] ?? '', /^__Host-clarateach-session=.*; Secure/);
    assert.ok(await people.authenticate(cookieHeader(cookies ?? [])));
  });
});
