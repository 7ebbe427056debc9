import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import type { AuditEntry } from '@clarateach/contract/audit';
import { openDatabase } from '../store/database.ts';
import { eventually } from '../testing/control-plane.ts';
import { freePort } from '../testing/free-port.ts';
import { type IssuerPerson, OIDC_CLIENT, type TestIssuer, testIssuer } from '../testing/oidc-issuer.ts';
import { type TestClient, type TestServer, testServer } from '../testing/server.ts';
import { PROVIDER_CALLBACK_PATH } from './provider.ts';

const ADMIN = { name: 'Grace', email: 'grace@example.org', password: 'a compiler is a program' };
const ADA: IssuerPerson = { sub: 'ada-1', email: 'Ada@example.org', email_verified: true, name: 'Ada' };

describe('signing in with an OpenID Connect issuer', () => {
  let issuer: TestIssuer;
  let server: TestServer;
  let admin: TestClient;
  before(async () => {
    const port = await freePort();
    issuer = await testIssuer(() => `http://localhost:${port}${PROVIDER_CALLBACK_PATH}`);
    server = await testServer({
      env: {
        PORT: String(port),
        OIDC_ISSUER: issuer.url,
        OIDC_CLIENT_ID: OIDC_CLIENT.id,
        OIDC_CLIENT_SECRET: OIDC_CLIENT.secret,
        OIDC_NAME: 'School',
      },
    });
    admin = await server.signedIn(server.signInUrl ?? '');
    await admin.json(200, 'PUT', '/api/account', ADMIN);
  });
  after(async () => {
    await server?.close();
    await issuer?.[Symbol.asyncDispose]();
  });
  beforeEach(() => issuer.become(ADA));

  /** A browser that is sent to and fro, and gives where it ends and with which cookies. */
  const browse = (start = '/api/auth/provider?next=%2Faccount') => follow(server, start);
  const accountOf = async (jar: Jar) => server.as({ cookie: jar.cookie(server.url) });

  it('is offered by its name', async () => {
    const ways = await server.anyone.json(200, 'GET', '/api/auth/ways');
    assert.equal(ways.provider, 'School');
  });

  it('lets in nobody who is not invited, and makes no account', async () => {
    const { ended } = await browse();
    assert.equal(ended, '/sign-in?error=not-invited');
    const { people } = await admin.json<{ people: unknown[] }>(200, 'GET', '/api/admin/people');
    assert.equal(people.length, 1);
  });

  it('lets in who is invited, with the role of the invitation, by PKCE, state and nonce', async () => {
    await admin.json(201, 'POST', '/api/admin/people/invitations', {
      email: 'ada@example.org',
      role: 'admin',
    });
    const { ended, jar } = await browse();
    assert.equal(ended, '/account');
    const me = await (await accountOf(jar)).json(200, 'GET', '/api/account');
    assert.deepEqual(
      [me.name, me.email, me.role, me.emailVerified, me.hasPassword, me.hasProvider],
      ['Ada', 'ada@example.org', 'admin', true, false, true],
    );
    const asked = issuer.asked.at(-1);
    assert.equal(asked?.get('code_challenge_method'), 'S256');
    assert.ok(asked?.get('code_challenge') && asked.get('state') && asked.get('nonce'));
    const { invitations } = await admin.json<{ invitations: unknown[] }>(200, 'GET', '/api/admin/people');
    assert.deepEqual(invitations, []);
    const lines = await eventually(async () => {
      const path = '/api/admin/audit?limit=200';
      const { entries } = await admin.json<{ entries: AuditEntry[] }>(200, 'GET', path);
      const found = entries.filter(
        ({ action, details }) => action === 'invitation.accepted' || details.way === 'callback/oidc',
      );
      return found.length >= 3 ? found : undefined;
    });
    assert.deepEqual(lines.map(({ action, outcome, actor }) => `${action} ${outcome} ${actor.name}`).sort(), [
      'invitation.accepted done ada@example.org',
      'person.signed_in done ada@example.org',
      'person.signed_in refused ',
    ]);
  });

  it('keeps none of the tokens of the issuer', async () => {
    const { database: location } = server.config;
    assert.equal(location.kind, 'sqlite');
    const database = openDatabase({ ...(location as { kind: 'sqlite'; file: string }), access: 'shared' });
    const [kept] = await database.db
      .selectFrom('authAccounts')
      .select(['accessToken', 'refreshToken', 'idToken', 'accountId', 'issuer'])
      .where('providerId', '=', 'oidc')
      .execute();
    await database.close();
    assert.deepEqual(kept, {
      accessToken: null,
      refreshToken: null,
      idToken: null,
      accountId: 'ada-1',
      issuer: issuer.url,
    });
  });

  it('knows people by the name that the issuer has for them, whatever their address is now', async () => {
    issuer.become({ ...ADA, email: 'ada.lovelace@example.org', email_verified: false });
    const { ended, jar } = await browse();
    assert.equal(ended, '/account');
    assert.equal((await (await accountOf(jar)).json(200, 'GET', '/api/account')).email, 'ada@example.org');
  });

  it('gives nobody an account by an address that the issuer has not verified', async () => {
    issuer.become({ sub: 'mallory', email: 'bob@example.org', email_verified: false, name: 'Bob' });
    await admin.json(201, 'POST', '/api/admin/people/invitations', { email: 'bob@example.org' });
    assert.equal((await browse()).ended, '/sign-in?error=not-verified');
    issuer.become({ sub: 'bob', email: 'bob@example.org', email_verified: true, name: 'Bob' });
    assert.equal((await browse()).ended, '/account');
  });

  it('leads into no account whose address its owner only claims', async () => {
    // The admin changed the address and never confirmed it.
    issuer.become({ sub: 'grace', email: ADMIN.email, email_verified: true, name: 'The real Grace' });
    assert.equal((await browse()).ended, '/sign-in?error=not-linked');
  });

  it('goes nowhere with a state of another browser, a made-up one, or none', async () => {
    const begun = await follow(server, '/api/auth/provider', { stopAt: PROVIDER_CALLBACK_PATH });
    assert.ok(begun.stopped);
    const callback = new URL(begun.stopped);
    for (const path of [
      callback.pathname + callback.search,
      `${PROVIDER_CALLBACK_PATH}?code=x&state=y`,
      `${PROVIDER_CALLBACK_PATH}?code=x`,
      PROVIDER_CALLBACK_PATH,
    ]) {
      const response = await server.anyone.request('GET', path);
      assert.equal(response.status, 303);
      assert.equal(response.headers.get('location'), '/sign-in?error=provider');
      assert.ok(!response.headers.getSetCookie().some((cookie) => /session=[^;]/.test(cookie)));
    }
    // The browser that began may still end, once.
    const ended = await follow(server, callback.pathname + callback.search, { jar: begun.jar });
    assert.equal(ended.ended, '/');
    assert.equal(
      (await follow(server, callback.pathname + callback.search, { jar: begun.jar })).ended,
      '/sign-in?error=provider',
    );
  });

  it('says so when somebody turns back at the issuer', async () => {
    issuer.become(undefined);
    assert.equal((await browse()).ended, '/sign-in?error=cancelled');
  });

  it('comes back to a path of this site only', async () => {
    for (const next of ['https://evil.example', '//evil.example', '/\\evil.example']) {
      assert.equal((await browse(`/api/auth/provider?next=${encodeURIComponent(next)}`)).ended, '/');
    }
  });

  it('shuts out who is disabled', async () => {
    const { people } = await admin.json<{ people: { id: string; email: string }[] }>(
      200,
      'GET',
      '/api/admin/people',
    );
    const ada = people.find(({ email }) => email === 'ada@example.org');
    await admin.json(200, 'PUT', `/api/admin/people/${ada?.id}`, { disabled: true });
    assert.equal((await browse()).ended, '/sign-in?error=disabled');
  });
});

describe('an OpenID Connect issuer that is away', () => {
  it('stops nobody from signing in another way', async () => {
    const server = await testServer({
      env: {
        OIDC_ISSUER: `http://127.0.0.1:${await freePort()}`,
        OIDC_CLIENT_ID: 'x',
        OIDC_CLIENT_SECRET: 'x',
      },
    });
    try {
      const response = await server.anyone.request('GET', '/api/auth/provider');
      assert.equal(response.headers.get('location'), '/sign-in?error=provider');
      assert.ok(await server.signedIn(server.signInUrl ?? ''));
    } finally {
      await server.close();
    }
  });
});

/** The cookies of one browser, by origin. */
class Jar {
  readonly #cookies = new Map<string, Map<string, string>>();

  cookie(url: string): string {
    return [...(this.#cookies.get(new URL(url).host) ?? [])]
      .map(([name, value]) => `${name}=${value}`)
      .join('; ');
  }

  keep(url: string, response: Response): void {
    const { host } = new URL(url);
    const kept = this.#cookies.get(host) ?? new Map<string, string>();
    this.#cookies.set(host, kept);
    for (const cookie of response.headers.getSetCookie()) {
      const [pair = ''] = cookie.split(';', 1);
      const at = pair.indexOf('=');
      if (/max-age=0/i.test(cookie) || pair.length === at + 1) kept.delete(pair.slice(0, at));
      else kept.set(pair.slice(0, at), pair.slice(at + 1));
    }
  }
}

/** Follows redirects between the server and the issuer, until a page of the web app, or `stopAt`. */
async function follow(
  server: TestServer,
  start: string,
  options: { readonly stopAt?: string; readonly jar?: Jar } = {},
): Promise<{ readonly ended: string; readonly stopped?: string; readonly jar: Jar }> {
  const jar = options.jar ?? new Jar();
  let url = new URL(start, server.url).href;
  for (let step = 0; step < 15; step++) {
    const { origin, pathname, search } = new URL(url);
    if (origin === server.url && pathname === options.stopAt) return { ended: '', stopped: url, jar };
    if (origin === server.url && !pathname.startsWith('/api/')) return { ended: pathname + search, jar };
    const response = await fetch(url, { redirect: 'manual', headers: { cookie: jar.cookie(url) } });
    jar.keep(url, response);
    const location = response.headers.get('location');
    if (location === null) throw new Error(`${url} led nowhere: ${response.status} ${await response.text()}`);
    url = new URL(location, url).href;
  }
  throw new Error(`Too many redirects, the last to ${url}.`);
}
