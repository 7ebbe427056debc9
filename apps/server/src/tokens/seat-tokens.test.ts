import assert from 'node:assert/strict';
import { createHmac, createPublicKey, generateKeyPairSync, sign, verify } from 'node:crypto';
import { afterEach, beforeEach, it } from 'node:test';
import { PublicError } from '@clarateach/contract/errors';
import type { Odehash, WorkshopId } from '@clarateach/contract/ids';
import { eachDatabase, type TestDatabase } from '../store/testing.ts';
import { eventually } from '../testing/control-plane.ts';
import { createSealing } from './sealing.ts';
import { createSeatTokens } from './seat-tokens.ts';
import { type Jwk, openSigningKeys, type SigningKeys } from './signing-keys.ts';

const SECRET = 'one secret of thirty-two characters';
const HOUR_MS = 60 * 60 * 1000;
const subject = { workshop: { id: 'ws-abcdefgh' as WorkshopId }, seat: 3, odehash: 'ABCDE234' as Odehash };

function parts(token: string) {
  const [head = '', body = '', signature = ''] = token.split('.');
  const json = (part: string) => JSON.parse(Buffer.from(part, 'base64url').toString());
  return { head, body, signature, header: json(head), claims: json(body) };
}

const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');

function refuses(work: () => unknown): void {
  assert.throws(work, (error) => error instanceof PublicError && error.code === 'unauthenticated');
}

eachDatabase('seat tokens', (open) => {
  let test: TestDatabase;
  let clock: number;
  const opened: SigningKeys[] = [];
  const now = () => clock;
  const keysOf = async (secret = SECRET, database = test.database) => {
    const keys = await openSigningKeys({
      database,
      sealing: createSealing(secret),
      now,
      onError: (error) => assert.fail(String(error)),
    });
    opened.push(keys);
    return keys;
  };

  beforeEach(async () => {
    test = await open();
    clock = Date.UTC(2027, 0, 1);
  });
  afterEach(async () => {
    for (const keys of opened.splice(0)) await keys.close();
    await test.close();
  });

  it('carry the claims of the contract and verify against the JWKS alone', async () => {
    const keys = await keysOf();
    const { token, expiresAt } = await createSeatTokens({ keys, now }).issue(subject);
    const { head, body, signature, header, claims } = parts(token);
    const { jti, ...rest } = claims;
    assert.ok(jti.length > 10);
    assert.deepEqual(rest, {
      iss: 'clarateach',
      aud: 'clarateach-seat',
      iat: clock / 1000,
      exp: clock / 1000 + 7200,
      workshopId: 'ws-abcdefgh',
      seat: 3,
      odehash: 'ABCDE234',
      containerId: 'clarateach-ws-abcdefgh-seat-03',
      vmIp: '',
    });
    assert.equal(expiresAt, new Date(clock + 2 * HOUR_MS).toISOString());
    const jwk = keys.jwks().keys.find((key) => key.kid === header.kid) as Jwk;
    assert.deepEqual(Object.keys(jwk).sort(), ['alg', 'e', 'kid', 'kty', 'n', 'use']);
    const key = createPublicKey({ key: jwk, format: 'jwk' });
    assert.ok(verify('RSA-SHA256', Buffer.from(`${head}.${body}`), key, Buffer.from(signature, 'base64url')));
  });

  it('can be renewed until a day after they expired, and no longer', async () => {
    const tokens = createSeatTokens({ keys: await keysOf(), now });
    const { token } = await tokens.issue(subject);
    clock += 25 * HOUR_MS;
    assert.equal(tokens.verifyForRenewal(token).seat, 3);
    clock += HOUR_MS;
    refuses(() => tokens.verifyForRenewal(token));
  });

  it('that were forged are refused, whatever trick is tried', async () => {
    const keys = await keysOf();
    const tokens = createSeatTokens({ keys, now });
    const { head, body, signature, header, claims } = parts((await tokens.issue(subject)).token);
    const { privateKey: own } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const ownSignature = (content: string) =>
      sign('RSA-SHA256', Buffer.from(content), own).toString('base64url');
    const pem = createPublicKey({ key: keys.jwks().keys[0] as Jwk, format: 'jwk' }).export({
      type: 'spki',
      format: 'pem',
    });
    const hmacHead = encode({ ...header, alg: 'HS256' });
    const otherSeat = encode({ ...claims, seat: 4 });
    for (const [name, token] of Object.entries({
      'another seat': `${head}.${otherSeat}.${signature}`,
      'no signature': `${head}.${body}.`,
      'alg none': `${encode({ ...header, alg: 'none' })}.${body}.`,
      'public key as HMAC secret': `${hmacHead}.${body}.${createHmac('sha256', pem).update(`${hmacHead}.${body}`).digest('base64url')}`,
      'own key under our kid': `${head}.${body}.${ownSignature(`${head}.${body}`)}`,
      'unknown kid': `${encode({ ...header, kid: 'other' })}.${body}.${signature}`,
      'critical extension': `${encode({ ...header, crit: ['x'] })}.${body}.${signature}`,
      garbage: 'a.b.c',
      empty: '',
      huge: `${head}.${'A'.repeat(10_000)}.${signature}`,
    })) {
      assert.throws(() => tokens.verifyForRenewal(token), { code: 'unauthenticated' }, name);
    }
  });

  it('of another issuer or audience are refused although the signature is right', async () => {
    const keys = await keysOf();
    const tokens = createSeatTokens({ keys, now });
    const { head, claims } = parts((await tokens.issue(subject)).token);
    for (const change of [{ aud: 'other' }, { iss: 'other' }, { seat: 0 }, { iat: claims.iat + 3600 }]) {
      const body = encode({ ...claims, ...change });
      const signature = sign('RSA-SHA256', Buffer.from(`${head}.${body}`), keys.signer().privateKey);
      refuses(() => tokens.verifyForRenewal(`${head}.${body}.${signature.toString('base64url')}`));
    }
  });

  it('are signed with one key by all servers, which is sealed in the database', async () => {
    const [one, two] = await Promise.all([keysOf(), keysOf(SECRET, test.again())]);
    assert.deepEqual(one.jwks(), two.jwks());
    assert.equal(one.jwks().keys.length, 1);
    const { token } = await createSeatTokens({ keys: one, now }).issue(subject);
    assert.equal(createSeatTokens({ keys: two, now }).verifyForRenewal(token).seat, 3);
    const row = await test.database.db.selectFrom('signingKeys').selectAll().executeTakeFirstOrThrow();
    assert.doesNotMatch(JSON.stringify(row), /PRIVATE KEY/);
  });

  it('outlive a rotation: the old key is honoured, the new one signs once all have heard of it', async () => {
    const one = await keysOf();
    const two = await keysOf(SECRET, test.again());
    const oldKid = one.signer().kid;
    const { token } = await createSeatTokens({ keys: one, now }).issue(subject);
    await Promise.all([one.rotate(), two.rotate()]);
    assert.equal(one.signer().kid, oldKid);
    clock += 10 * 60_000;
    const newKid = one.signer().kid;
    assert.notEqual(newKid, oldKid);
    assert.equal(two.signer().kid, newKid);
    assert.deepEqual(
      one.jwks().keys.map((key) => key.kid),
      [newKid, oldKid],
    );
    assert.equal(createSeatTokens({ keys: two, now }).verifyForRenewal(token).seat, 3);
    clock += 48 * HOUR_MS;
    assert.deepEqual(
      one.jwks().keys.map((key) => key.kid),
      [newKid],
    );
    refuses(() => createSeatTokens({ keys: one, now }).verifyForRenewal(token));
  });

  it('of a key that another server made are known by looking alone', async () => {
    const one = await keysOf();
    const two = await keysOf(SECRET, test.again());
    await one.rotate();
    clock += 10 * 60_000;
    const { kid } = one.signer();
    await eventually(() => two.publicKeys.find(kid) !== undefined);
    assert.equal(two.publicKeys.find(kid), two.publicKeys.find(kid));
  });

  it('of keys that were replaced pass nowhere and are not renewed, without a signal', async (t) => {
    const one = await keysOf();
    const two = await keysOf(SECRET, test.again());
    await one.rotate();
    await eventually(() => two.jwks().keys.length === 2);
    const tokens = createSeatTokens({ keys: one, now });
    const elsewhere = createSeatTokens({ keys: two, now });
    const [{ token }, oldKids] = [await tokens.issue(subject), one.view().map(({ kid }) => kid)];
    let gone = 0;
    two.publicKeys.onGone(() => gone++);
    await one.replace();
    const replacedAt = performance.now();
    refuses(() => tokens.verifyForRenewal(token));
    assert.equal(tokens.isHonoured(token), false);
    await eventually(() => gone > 0);
    const lagMs = performance.now() - replacedAt;
    t.diagnostic(`lag by looking: ${Math.round(lagMs)} ms`);
    refuses(() => elsewhere.verifyForRenewal(token));
    // The new key signs at once, at the other server too; nothing of the old ones is left, their secrets neither.
    const next = (await elsewhere.issue(subject)).token;
    assert.equal(tokens.verifyForRenewal(next).seat, 3);
    assert.equal(tokens.isHonoured(next), true);
    const rows = await test.database.db.selectFrom('signingKeys').select('kid').execute();
    assert.deepEqual(rows, [{ kid: one.signer().kid }]);
    assert.ok(oldKids.every((kid) => one.publicKeys.find(kid) === undefined));
    assert.equal((await keysOf()).jwks().keys.length, 1);
  });

  it('are replaced whoever else rotates in the same moment, and with a clock that is behind', async () => {
    const one = await keysOf();
    const two = await keysOf(SECRET, test.again());
    const old = one.signer().kid;
    await Promise.all([two.rotate(), one.replace(), two.rotate(), one.replace()]);
    clock -= 30_000;
    const three = await keysOf();
    assert.ok(three.jwks().keys.every(({ kid }) => kid !== old));
    const { token } = await createSeatTokens({ keys: three, now }).issue(subject);
    assert.equal(createSeatTokens({ keys: three, now }).verifyForRenewal(token).seat, 3);
  });

  it('cannot be made with another secret: the start stops with a line that says so', async () => {
    await keysOf();
    await assert.rejects(keysOf(`${SECRET}, another`), /WORKSPACE_TOKEN_SECRET .*original secret/);
  });
});
