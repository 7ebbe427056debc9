import assert from 'node:assert/strict';
import { createHmac, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { test } from 'node:test';
import type { PublicError } from '@clarateach/contract/errors';
import { makeToken, PUBLIC_KEY } from './testing.ts';
import { createTokenGate } from './token-gate.ts';

const keys = new Map<string, KeyObject>([['k1', PUBLIC_KEY]]);

function gateAt(now: { ms: number }) {
  return createTokenGate({ keys: { find: (kid) => keys.get(kid) }, clock: () => now.ms });
}

function refuses(token: string | undefined, ms = Date.now()): void {
  assert.throws(
    () => gateAt({ ms }).verify(token),
    (error: PublicError) => error.code === 'unauthenticated',
  );
}

function encode(value: unknown): string {
  return Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');
}

test('a genuine token passes with its claims', () => {
  const claims = gateAt({ ms: Date.now() }).verify(makeToken());
  assert.equal(claims.seat, 1);
  assert.equal(claims.odehash, 'LEARNERA');
});

test('no token, no sense and too much of it are refused', () => {
  for (const token of [undefined, '', 'a', 'a.b', 'a.b.c', '..', `${makeToken()}.x`, 'x'.repeat(100_000)]) {
    refuses(token);
  }
});

test('a changed claim, header or signature is refused', () => {
  const token = makeToken();
  const [header, payload, signature] = token.split('.') as [string, string, string];
  const claims = JSON.parse(Buffer.from(payload, 'base64url').toString());
  refuses(`${header}.${encode({ ...claims, seat: 2 })}.${signature}`);
  refuses(`${encode({ alg: 'RS256', kid: 'k1' })}.${payload}.${signature}`);
  refuses(`${header}.${payload}.${signature.slice(0, -4)}AAAA`);
  refuses(`${header}.${payload}.`);
  // Another spelling of the same signature bytes.
  const last = signature.at(-1) as string;
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  const twin = alphabet[alphabet.indexOf(last) ^ 1] as string;
  refuses(`${header}.${payload}.${signature.slice(0, -1)}${twin}`);
});

test('tricks with the algorithm are refused', () => {
  const payload = makeToken().split('.')[1] as string;
  for (const alg of ['none', 'None', 'NONE', '']) refuses(`${encode({ alg, kid: 'k1' })}.${payload}.`);
  // The public key as the secret of an HMAC.
  for (const format of ['pem', 'der'] as const) {
    const secret = PUBLIC_KEY.export({ type: 'spki', format: format as 'pem' }) as string;
    const text = `${encode({ alg: 'HS256', kid: 'k1' })}.${payload}`;
    refuses(`${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`);
  }
  for (const alg of ['RS384', 'RS512', 'PS256', 'ES256', 'HS256', 'rs256']) refuses(makeToken({}, { alg }));
});

test('a header may not bring a key or ask for anything', () => {
  const foreign = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const jwk = foreign.publicKey.export({ format: 'jwk' });
  refuses(makeToken({}, { jwk }, foreign.privateKey));
  for (const extra of [
    { jwk },
    { jku: 'http://127.0.0.1/keys' },
    { x5u: 'http://127.0.0.1' },
    { x5c: ['x'] },
    { crit: ['exp'] },
    { b64: false },
    { zip: 'DEF' },
    { typ: 'JOSE' },
    { kid: '' },
    { kid: 1 },
    { kid: ['k1'] },
    { kid: 'unknown' },
    { kid: '__proto__' },
    { kid: '../../k1' },
  ]) {
    refuses(makeToken({}, extra));
  }
});

test('another key under the same name is refused, of whatever type', () => {
  const foreign = generateKeyPairSync('rsa', { modulusLength: 2048 });
  refuses(makeToken({}, {}, foreign.privateKey));
  const elliptic = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const gate = createTokenGate({ keys: { find: () => elliptic.publicKey }, clock: Date.now });
  const text = makeToken().split('.').slice(0, 2).join('.');
  const signature = sign('SHA256', Buffer.from(text), elliptic.privateKey).toString('base64url');
  assert.throws(() => gate.verify(`${text}.${signature}`));
});

test('wrong or missing claims are refused', () => {
  for (const claims of [
    { iss: 'somebody' },
    { aud: 'clarateach' },
    { aud: ['clarateach-seat', 'other'] },
    { aud: undefined },
    { exp: undefined },
    { exp: 'tomorrow' },
    { exp: Math.floor(Date.now() / 1000) - 1 },
    { iat: Math.floor(Date.now() / 1000) + 3600 },
    { nbf: Math.floor(Date.now() / 1000) + 3600 },
    { nbf: 'now' },
    { seat: 0 },
    { seat: '1' },
    { seat: true },
    { seat: 1.5 },
    { workshopId: 'ws-x' },
    { odehash: '' },
    { jti: '' },
  ]) {
    refuses(makeToken(claims));
  }
});

test('a remembered token expires to the millisecond', () => {
  const now = { ms: Date.now() };
  const gate = gateAt(now);
  const exp = Math.floor(now.ms / 1000) + 10;
  const token = makeToken({ exp });
  gate.verify(token);
  now.ms = exp * 1000 - 1;
  gate.verify(token);
  now.ms = exp * 1000;
  assert.throws(() => gate.verify(token), /expired/);
});

test('a remembered token goes with its key', () => {
  const gate = gateAt({ ms: Date.now() });
  const token = makeToken();
  gate.verify(token);
  keys.delete('k1');
  assert.throws(() => gate.verify(token));
  keys.set('k1', generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey);
  assert.throws(() => gate.verify(token));
  keys.set('k1', PUBLIC_KEY);
  gate.verify(token);
});
