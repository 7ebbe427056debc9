import assert from 'node:assert/strict';
import type { IncomingHttpHeaders } from 'node:http';
import { afterEach, beforeEach, it } from 'node:test';
import type { Mail, Mailer } from '../mail/mailer.ts';
import { eachDatabase, type TestDatabase } from '../store/testing.ts';
import { insertOwner } from '../testing/control-plane.ts';
import { createPeople, type People, type Person } from './people.ts';
import type { SignUp } from './sign-up.ts';

const PASSWORD = 'correct horse battery';
const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;

function cookieHeader(cookies: readonly string[]): IncomingHttpHeaders {
  return { cookie: cookies.map((cookie) => cookie.split(';', 1)[0]).join('; ') };
}

/** Takes mail in; `settled` waits for what is made beside the requests. */
function mailbox() {
  const sent: Mail[] = [];
  const underWay: Promise<void>[] = [];
  const mailer: Mailer = {
    kind: 'smtp',
    send: async (mail) => void sent.push(mail),
    later: (work) => {
      underWay.push(work().then((mail) => void (mail && sent.push(mail))));
    },
    close: async () => {},
  };
  return {
    mailer,
    sent,
    settled: () => Promise.all(underWay.splice(0)),
    /** The token in the newest mail, which goes to the address. */
    async token(to: string): Promise<string> {
      await Promise.all(underWay.splice(0));
      const mail = sent.pop();
      assert.equal(mail?.to, to);
      return /#(\S+)/.exec(mail?.text ?? '')?.[1] ?? '';
    },
  };
}

eachDatabase('accounts', (open) => {
  let test: TestDatabase;
  let people: People;
  let clock: number;
  let box: ReturnType<typeof mailbox>;
  const errors: unknown[] = [];
  const peopleWith = (more: { signUp?: SignUp; mailer?: Mailer } = {}) =>
    createPeople({
      database: test.database,
      publicUrl: 'http://localhost:8080',
      secret: Buffer.alloc(32, 'x9!Qk#'),
      now: () => clock,
      onError: (error) => errors.push(error),
      mailer: box.mailer,
      ...more,
    });
  const from = (headers: IncomingHttpHeaders = {}, address = '192.0.2.1') => ({ headers, address });

  beforeEach(async () => {
    test = await open();
    clock = Date.now();
    box = mailbox();
    people = peopleWith();
  });
  afterEach(async () => {
    await test.close();
    assert.deepEqual(errors.splice(0), []);
  });

  const personOf = async (headers: IncomingHttpHeaders): Promise<Person> => {
    const person = await people.authenticate(headers, '192.0.2.1');
    assert.ok(person);
    return person;
  };
  /** An admin with a confirmed address and a password. */
  const admin = async () => {
    const link = await people.signInLink('ann@example.org');
    const cookies = await people.openSignInLink(new URL(link).searchParams.get('token') ?? '', from());
    const headers = cookieHeader(cookies ?? []);
    const person = await personOf(headers);
    await people.updateAccount(person, { name: 'Ann', email: 'ann@example.org', password: PASSWORD });
    return { headers, id: person.userId };
  };
  const join = async (email: string, by: string, role: 'instructor' | 'admin' = 'instructor') => {
    await people.invitations.send(by, { email, role });
    const token = await box.token(email);
    const { cookies } = await people.entry.open({ token, name: email, password: PASSWORD }, from());
    const headers = cookieHeader(cookies);
    return { headers, id: (await personOf(headers)).userId };
  };
  const signIn = (password: string, headers: IncomingHttpHeaders = {}, address = '192.0.2.1') =>
    people.signIn({ email: 'ann@example.org', password }, from(headers, address));

  it('are made by invitation: once, by the newest link, for a week, until it is taken back', async () => {
    const ann = await admin();
    const sent = await people.invitations.send(ann.id, { email: 'Bob@Example.org', role: 'instructor' });
    assert.deepEqual(
      [sent.email, sent.mailed, sent.link, sent.invitedBy],
      ['bob@example.org', true, null, 'Ann'],
    );
    await assert.rejects(people.invitations.send(ann.id, { email: 'bob@example.org', role: 'admin' }), {
      code: 'already_exists',
      field: 'email',
    });
    const first = await box.token('bob@example.org');
    await people.invitations.resend(sent.id);
    const second = await box.token('bob@example.org');
    await assert.rejects(people.entry.look(first), { code: 'not_found' });
    assert.equal((await people.entry.look(second)).purpose, 'invitation');
    await assert.rejects(people.entry.open({ token: second, name: 'Bob' }, from()), { field: 'password' });
    clock += 7 * DAY;
    await assert.rejects(people.entry.look(second), { code: 'not_found' });
    assert.equal((await people.invitations.list())[0]?.expired, true);
    clock -= 1;
    const opened = await Promise.allSettled(
      Array.from({ length: 4 }, () =>
        people.entry.open({ token: second, name: 'Bob', password: PASSWORD }, from()),
      ),
    );
    assert.equal(opened.filter(({ status }) => status === 'fulfilled').length, 1);
    assert.deepEqual(await people.invitations.list(), []);
    assert.equal((await people.roster.list()).length, 2);
    await assert.rejects(people.invitations.send(ann.id, { email: 'bob@example.org', role: 'admin' }), {
      code: 'already_exists',
    });

    const eve = await people.invitations.send(ann.id, { email: 'eve@example.org', role: 'instructor' });
    const taken = await box.token('eve@example.org');
    await people.invitations.revoke(eve.id);
    await assert.rejects(people.entry.look(taken), { code: 'not_found' });
    await assert.rejects(people.invitations.revoke(eve.id), { code: 'not_found' });
    const rows = JSON.stringify(await test.database.db.selectFrom('invitations').selectAll().execute());
    assert.ok(!rows.includes(taken));
  });

  it('are invited by a link to hand over where mail cannot be sent', async () => {
    const ann = await admin();
    const failing: Mailer = { ...box.mailer, send: () => Promise.reject(new Error('greylisted')) };
    const sent = await peopleWith({ mailer: failing }).invitations.send(ann.id, {
      email: 'bob@example.org',
      role: 'instructor',
    });
    assert.equal((errors.pop() as Error).message, 'greylisted');
    assert.equal(sent.mailed, false);
    assert.match(sent.link ?? '', /^http:\/\/localhost:8080\/enter#[\w-]{32}$/);
  });

  it('are entered by a mailed link: once, for a quarter of an hour, with a confirmed address only', async () => {
    const ann = await admin();
    people.entry.mailSignInLink('Ann@example.org', from());
    const token = await box.token('ann@example.org');
    assert.deepEqual(await people.entry.look(token), {
      purpose: 'sign-in',
      email: 'ann@example.org',
      name: 'Ann',
    });
    const { signedIn, cookies } = await people.entry.open({ token }, from());
    assert.equal(signedIn, true);
    assert.equal((await personOf(cookieHeader(cookies))).userId, ann.id);
    await assert.rejects(people.entry.open({ token }, from()), { code: 'not_found' });

    people.entry.mailSignInLink('ann@example.org', from());
    const late = await box.token('ann@example.org');
    clock += 16 * MINUTE;
    await assert.rejects(people.entry.open({ token: late }, from()), { code: 'not_found' });

    await people.updateAccount(await personOf(ann.headers), {
      name: 'Ann',
      email: 'ann@elsewhere.org',
      currentPassword: PASSWORD,
    });
    const confirm = await box.token('ann@elsewhere.org');
    people.entry.mailSignInLink('ann@elsewhere.org', from());
    await box.settled();
    assert.match(box.sent.pop()?.subject ?? '', /not confirmed/);
    assert.deepEqual(await people.entry.open({ token: confirm }, from()), { signedIn: false, cookies: [] });
    clock += 5 * MINUTE;
    people.entry.mailSignInLink('ann@elsewhere.org', from());
    assert.ok(await box.token('ann@elsewhere.org'));
  });

  it('get a new password by mail, which ends every session and every other link', async () => {
    const ann = await admin();
    people.entry.mailSignInLink('ann@example.org', from());
    const other = await box.token('ann@example.org');
    people.entry.mailPasswordReset('ann@example.org', from());
    const token = await box.token('ann@example.org');
    await assert.rejects(people.entry.open({ token }, from()), { field: 'password' });
    const { cookies } = await people.entry.open({ token, password: 'another long password' }, from());
    assert.ok(await people.authenticate(cookieHeader(cookies)));
    assert.equal(await people.authenticate(ann.headers), undefined);
    await assert.rejects(people.entry.look(other), { code: 'not_found' });
    await assert.rejects(signIn(PASSWORD), { code: 'unauthenticated' });
    assert.ok(await signIn('another long password'));
  });

  it('tell nobody whether an address is known, and fill nobody’s mailbox', async () => {
    await admin();
    for (const ask of ['mailSignInLink', 'mailPasswordReset'] as const) {
      // Nothing is looked up before the answer, so it cannot depend on what is found.
      assert.equal(
        people.entry[ask]('ann@example.org', from()),
        people.entry[ask]('nobody@example.org', from()),
      );
    }
    await box.settled();
    assert.deepEqual([...new Set(box.sent.map(({ to }) => to))], ['ann@example.org']);
    const refusals = ['ann@example.org', 'nobody@example.org'].map((email) => {
      people.entry.mailSignInLink(email, from({}, '198.51.100.1'));
      try {
        people.entry.mailSignInLink(email, from({}, '198.51.100.1'));
      } catch (error) {
        return error as { code: string; retryAfterSeconds: number };
      }
      return undefined;
    });
    assert.deepEqual(
      refusals.map((refusal) => [refusal?.code, refusal?.retryAfterSeconds]),
      Array.from({ length: 2 }, () => ['too_many_attempts', 300]),
    );
    clock += 5 * MINUTE;
    people.entry.mailSignInLink('ann@example.org', from());
    await box.settled();
  });

  it('are made by sign-up only where it is open, for its domains, and by whoever reads the mail', async () => {
    assert.throws(() => people.entry.signUp({ name: 'Bob', email: 'bob@example.org' }, from()), {
      code: 'forbidden',
    });
    people = peopleWith({ signUp: { kind: 'open', domains: ['example.org'] } });
    await admin();
    assert.throws(() => people.entry.signUp({ name: 'Bob', email: 'bob@evil.org' }, from()), {
      code: 'invalid_input',
      field: 'email',
    });
    assert.throws(() => people.entry.signUp({ name: 'Bob', email: 'bob@notexample.org' }, from()), {
      field: 'email',
    });
    people.entry.signUp({ name: 'Bob', email: 'Bob@example.org' }, from());
    const token = await box.token('bob@example.org');
    assert.equal((await people.roster.list()).length, 1);
    const { cookies } = await people.entry.open({ token, password: PASSWORD }, from());
    const bob = await personOf(cookieHeader(cookies));
    assert.equal(bob.role, 'instructor');
    assert.equal((await people.account(bob)).name, 'Bob');
    people.entry.signUp({ name: 'Mallory', email: 'ann@example.org' }, from());
    await box.settled();
    assert.match(box.sent.pop()?.subject ?? '', /already/);
  });

  it('have sessions that their owner sees and ends', async () => {
    const ann = await admin();
    const bob = await join('bob@example.org', ann.id);
    const phone = cookieHeader(
      await people.signIn(
        { email: 'ann@example.org', password: PASSWORD },
        from({ 'user-agent': 'Phone' }, '198.51.100.7'),
      ),
    );
    const { via } = await personOf(ann.headers);
    const current = via.kind === 'session' ? via.token : undefined;
    clock += 2 * MINUTE;
    await people.authenticate(phone, '198.51.100.8');
    const [here, there] = await people.sessions.list(ann.id, current);
    assert.deepEqual([here?.current, there?.current], [true, false]);
    assert.deepEqual(
      [there?.device, there?.address, there?.lastSeenAt],
      ['Phone', '198.51.100.8', new Date(clock).toISOString()],
    );
    await assert.rejects(people.sessions.end(bob.id, there?.id ?? ''), { code: 'not_found' });
    await people.sessions.end(ann.id, there?.id ?? '');
    assert.equal(await people.authenticate(phone), undefined);
    await signIn(PASSWORD);
    assert.equal(await people.sessions.endOthers(ann.id, current), 1);
    assert.ok(await people.authenticate(ann.headers));
    assert.ok(await people.authenticate(bob.headers));
  });

  it('give tokens scopes and an end, and a token makes none that may do more', async () => {
    const ann = await admin();
    const bob = await join('bob@example.org', ann.id);
    await assert.rejects(people.tokens.create(bob.id, { name: 'x', scopes: ['admin'] }), { field: 'scopes' });
    assert.deepEqual((await people.tokens.create(bob.id, { name: 'x' })).scopes, [
      'workshops:read',
      'workshops:write',
      'account',
    ]);
    const short = await people.tokens.create(ann.id, {
      name: 'x',
      scopes: ['account', 'workshops:read'],
      expiresInDays: 2,
    });
    const { via } = await personOf({ authorization: `Bearer ${short.token}` });
    assert.ok(via.kind === 'api-token');
    assert.deepEqual(via.scopes, ['workshops:read', 'account']);
    await assert.rejects(people.tokens.create(ann.id, { name: 'y', scopes: ['workshops:write'] }, via), {
      field: 'scopes',
    });
    const made = await people.tokens.create(ann.id, { name: 'y' }, via);
    assert.deepEqual([made.scopes, made.expiresAt], [short.scopes, short.expiresAt]);
    clock += 2 * DAY;
    assert.equal(await people.authenticate({ authorization: `Bearer ${short.token}` }), undefined);
    assert.equal(await people.authenticate({ authorization: `Bearer ${made.token}` }), undefined);
  });

  it('give a token no way in that may do more than the token', async () => {
    const ann = await admin();
    await test.database.db.deleteFrom('authAccounts').where('userId', '=', ann.id).execute();
    const { token } = await people.tokens.create(ann.id, { name: 'x', scopes: ['account'] });
    const program = await personOf({ authorization: `Bearer ${token}` });
    const wanted = { name: 'Ann', email: 'ann@example.org' };
    for (const more of [{ password: PASSWORD }, { email: 'eve@example.org', password: PASSWORD }]) {
      await assert.rejects(people.updateAccount(program, { ...wanted, ...more }), { code: 'forbidden' });
    }
    assert.equal((await people.account(program)).email, 'ann@example.org');
    await assert.rejects(signIn(PASSWORD), { code: 'unauthenticated' });
  });

  it('are disabled and enabled by admins: no session, no token, no way in meanwhile', async () => {
    const ann = await admin();
    const bob = await join('bob@example.org', ann.id);
    const { token } = await people.tokens.create(bob.id, { name: 'x' });
    people.entry.mailSignInLink('bob@example.org', from());
    const link = await box.token('bob@example.org');
    assert.equal((await people.roster.change(ann.id, bob.id, { disabled: true })).disabled, true);
    assert.equal(await people.authenticate(bob.headers), undefined);
    assert.equal(await people.authenticate({ authorization: `Bearer ${token}` }), undefined);
    const enter = (password: string) => people.signIn({ email: 'bob@example.org', password }, from());
    await assert.rejects(enter(PASSWORD), { code: 'forbidden' });
    await assert.rejects(enter('wrong password'), { code: 'unauthenticated' });
    await assert.rejects(people.entry.open({ token: link }, from()), { code: 'forbidden' });
    people.entry.mailSignInLink('bob@example.org', from());
    await box.settled();
    assert.deepEqual(box.sent, []);
    await people.roster.change(ann.id, bob.id, { disabled: false });
    assert.ok(await enter(PASSWORD));
    assert.ok(await people.authenticate({ authorization: `Bearer ${token}` }));
    await people.roster.endSessions(bob.id);
    assert.equal((await people.sessions.list(bob.id, undefined)).length, 0);
  });

  it('always leave one admin who may enter', async () => {
    const ann = await admin();
    const bob = await join('bob@example.org', ann.id, 'admin');
    await assert.rejects(people.roster.change(ann.id, ann.id, { disabled: true }), { code: 'conflict' });
    await assert.rejects(people.roster.remove(ann.id, ann.id, undefined), { code: 'conflict' });
    const both = await Promise.allSettled([
      people.roster.change(ann.id, bob.id, { role: 'instructor' }),
      people.roster.change(bob.id, ann.id, { role: 'instructor' }),
    ]);
    assert.equal(both.filter(({ status }) => status === 'fulfilled').length, 1);
    const [last] = (await people.roster.list()).filter(({ role }) => role === 'admin');
    await assert.rejects(people.roster.change('x', last?.id ?? '', { role: 'instructor' }), {
      code: 'conflict',
    });
    await assert.rejects(people.roster.change('x', last?.id ?? '', { disabled: true }), { code: 'conflict' });
    await assert.rejects(people.roster.remove('x', last?.id ?? '', undefined), { code: 'conflict' });
    await assert.rejects(people.roster.change('x', 'nobody', { role: 'admin' }), { code: 'not_found' });
  });

  it('are removed only when their workshops have somebody else', async () => {
    const ann = await admin();
    await insertOwner(test.database, 'bob');
    await test.database.db
      .insertInto('workshops')
      .values({
        id: 'ws-abcd2345' as never,
        code: 'ABCDEF',
        name: 'Shells',
        ownerId: 'bob',
        runtime: 'local',
        seatCount: 1,
        ttlMinutes: 60,
        wanted: 'running',
        createdAt: clock,
        revision: 1,
      } as never)
      .execute();
    await assert.rejects(people.roster.remove(ann.id, 'bob', undefined), { code: 'conflict' });
    await assert.rejects(people.roster.remove(ann.id, 'bob', 'bob'), { field: 'workshopsTo' });
    await assert.rejects(people.roster.remove(ann.id, 'bob', 'nobody'), { field: 'workshopsTo' });
    await people.roster.remove(ann.id, 'bob', ann.id);
    const [left] = await people.roster.list();
    assert.deepEqual([left?.id, left?.workshops], [ann.id, 1]);
    await assert.rejects(people.roster.remove(ann.id, 'bob', undefined), { code: 'not_found' });
  });

  it('cannot be locked out by others: a browser that they know counts for itself', async () => {
    await admin();
    const known = cookieHeader(await signIn(PASSWORD));
    // A school's address, from which somebody guesses until it is refused whatever they type.
    for (let guess = 0; guess < 5; guess++) {
      await assert.rejects(signIn('wrong password'), { code: 'unauthenticated' });
    }
    await assert.rejects(signIn(PASSWORD), { code: 'too_many_attempts', retryAfterSeconds: 12 });
    assert.ok(await signIn(PASSWORD, known));
    // What this browser itself gets wrong does count.
    for (let guess = 0; guess < 5; guess++) {
      await assert.rejects(signIn('wrong password', known), { code: 'unauthenticated' });
    }
    await assert.rejects(signIn(PASSWORD, known), { code: 'too_many_attempts', retryAfterSeconds: 12 });
    clock += 12_000;
    assert.ok(await signIn(PASSWORD, known));
    // The cookie is good for one account, and a forged one for none.
    const bob = (headers: IncomingHttpHeaders) =>
      people.signIn({ email: 'bob@example.org', password: 'wrong password' }, from(headers, '203.0.113.5'));
    for (let guess = 0; guess < 5; guess++) await assert.rejects(bob(known), { code: 'unauthenticated' });
    const forged = { cookie: `clarateach-device=${'A'.repeat(22)}.${'A'.repeat(43)}` };
    await assert.rejects(bob(known), { code: 'too_many_attempts' });
    await assert.rejects(bob(forged), { code: 'too_many_attempts' });
  });
});
