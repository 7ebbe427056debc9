import {
  createHmac,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign,
  type webcrypto,
} from 'node:crypto';

type JsonWebKey = webcrypto.JsonWebKey;

/** A token that nobody may accept, and what is wrong with it. */
export interface Forgery {
  readonly trick: string;
  readonly token: string;
}

type Claims = Record<string, unknown>;

const own = generateKeyPairSync('rsa', { modulusLength: 2048 });
const curve = generateKeyPairSync('ec', { namedCurve: 'P-256' });
/** The key pair of whoever forges, for planting it where only the platform's belong. */
export const forgersKey: KeyObject = own.publicKey;

const part = (value: unknown): string =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');

const read = (token: string, at: number): Claims =>
  JSON.parse(Buffer.from(token.split('.')[at] ?? '', 'base64url').toString()) as Claims;

function signed(header: Claims, claims: unknown, key: KeyObject = own.privateKey): string {
  const text = `${part(header)}.${part(claims)}`;
  return `${text}.${sign('RSA-SHA256', Buffer.from(text), key).toString('base64url')}`;
}

/** `genuine`: a token to start from; `another`: a second one, of another learner; `jwks`: the public keys. */
export function forgeries(
  genuine: string,
  another: string,
  jwks: { keys: readonly JsonWebKey[] },
): Forgery[] {
  const [header64 = '', claims64 = '', signature = ''] = genuine.split('.');
  const header = read(genuine, 0);
  const claims = read(genuine, 1);
  const [published] = jwks.keys;
  if (!published) throw new Error('The server publishes no key.');
  return [
    ...unsigned(header, claims, signature),
    ...confusedAlgorithms(header, claims, published),
    ...foreignKeys(header, claims),
    ...changedClaims(header, claims, another),
    ...otherSpellings(header64, claims64, signature),
  ];
}

function unsigned(header: Claims, claims: Claims, signature: string): Forgery[] {
  return ['none', 'None', 'NONE', 'nOnE', '', 'RS256 ', 'rs256', 'RS384', 'RS512', 'PS256'].flatMap((alg) => [
    {
      trick: `alg ${JSON.stringify(alg)}, no signature`,
      token: `${part({ ...header, alg })}.${part(claims)}.`,
    },
    {
      trick: `alg ${JSON.stringify(alg)}, another's signature`,
      token: `${part({ ...header, alg })}.${part(claims)}.${signature}`,
    },
  ]);
}

/** The public key is public: as the secret of an HMAC it must open nothing. */
function confusedAlgorithms(header: Claims, claims: Claims, published: JsonWebKey): Forgery[] {
  const key = createPublicKey({ key: published as never, format: 'jwk' });
  const secrets: readonly (readonly [string, Buffer | string])[] = [
    ['PEM', key.export({ type: 'spki', format: 'pem' })],
    ['PEM without its line end', String(key.export({ type: 'spki', format: 'pem' })).trim()],
    ['PKCS 1 PEM', key.export({ type: 'pkcs1', format: 'pem' })],
    ['DER', key.export({ type: 'spki', format: 'der' })],
    ['JWK', JSON.stringify(published)],
    ['modulus', Buffer.from(String(published.n), 'base64url')],
    ['nothing', ''],
  ];
  const hmac = secrets.flatMap(([what, secret]) =>
    (['HS256', 'HS384', 'HS512', 'RS256'] as const).map((alg) => {
      const text = `${part({ ...header, alg })}.${part(claims)}`;
      const hash = `sha${alg.slice(2)}`;
      return {
        trick: `${alg} with HMAC under the public key's ${what}`,
        token: `${text}.${createHmac(hash, secret).update(text).digest('base64url')}`,
      };
    }),
  );
  const es = `${part({ ...header, alg: 'ES256' })}.${part(claims)}`;
  const rs = `${part(header)}.${part(claims)}`;
  const byCurve = (text: string) =>
    sign('sha256', Buffer.from(text), { key: curve.privateKey, dsaEncoding: 'ieee-p1363' }).toString(
      'base64url',
    );
  return [
    ...hmac,
    { trick: 'ES256 under a key of ours', token: `${es}.${byCurve(es)}` },
    { trick: 'an elliptic signature called RS256', token: `${rs}.${byCurve(rs)}` },
  ];
}

function foreignKeys(header: Claims, claims: Claims): Forgery[] {
  const jwk = own.publicKey.export({ format: 'jwk' });
  const headers: readonly (readonly [string, Claims])[] = [
    ['the right kid', header],
    ['no kid', { alg: 'RS256', typ: 'JWT' }],
    ['an unknown kid', { ...header, kid: 'forger' }],
    ['an empty kid', { ...header, kid: '' }],
    ['a kid that is a path', { ...header, kid: '../../../../dev/null' }],
    ['a kid that is a query', { ...header, kid: "' OR '1'='1" }],
    ['a kid that is a query with a key', { ...header, kid: "x' UNION SELECT 'forger" }],
    ['a kid that is an address', { ...header, kid: 'http://127.0.0.1:1/jwks.json' }],
    ['a kid with NUL', { ...header, kid: `${String(header.kid)}\u0000` }],
    ['a kid that is a list', { ...header, kid: [header.kid] }],
    ['a kid that is an object', { ...header, kid: { toString: header.kid } }],
    ['a kid that every object has', { ...header, kid: '__proto__' }],
    ['a kid that is a method', { ...header, kid: 'constructor' }],
    ['a very long kid', { ...header, kid: 'k'.repeat(4000) }],
    ['a key in its header', { ...header, jwk: { ...jwk, kid: header.kid } }],
    ['an address of keys', { ...header, jku: 'http://127.0.0.1:1/jwks.json' }],
    ['a certificate chain', { ...header, x5c: ['MIIB'] }],
    ['an address of a certificate', { ...header, x5u: 'http://127.0.0.1:1/cert.pem' }],
    ['something critical', { ...header, crit: ['exp'], exp: 1 }],
    ['an unencoded payload', { ...header, b64: false, crit: ['b64'] }],
    ['a compressed payload', { ...header, zip: 'DEF' }],
    ['another type', { ...header, typ: 'JWE' }],
  ];
  return headers.map(([what, each]) => ({ trick: `our key, ${what}`, token: signed(each, claims) }));
}

function changedClaims(header: Claims, claims: Claims, another: string): Forgery[] {
  const [, , signature = ''] = another.split('.');
  const changes: readonly (readonly [string, Claims])[] = [
    ['another seat', { seat: 2 }],
    ['another workshop', { workshopId: 'ws-aaaaaaaa' }],
    ['a longer life', { exp: 4_102_444_800 }],
    ['no end', { exp: undefined }],
    ['an end that is text', { exp: '4102444800' }],
    ['an endless end', { exp: 1e308 }],
    ['another audience', { aud: 'clarateach-admin' }],
    ['another issuer', { iss: 'https://issuer.example' }],
    ['another learner', { odehash: 'AAAAAAAAAA' }],
    ['a list of seats', { seat: [1, 2] }],
  ];
  return [
    ...changes.map(([what, change]) => ({
      trick: `${what} under the old signature`,
      token: `${part(header)}.${part({ ...claims, ...change })}.${signature}`,
    })),
    ...changes.map(([what, change]) => ({
      trick: `${what} under our signature`,
      token: signed(header, { ...claims, ...change }),
    })),
    { trick: 'a list as the claims', token: signed(header, [claims]) },
    { trick: 'no claims', token: signed(header, 'null') },
    { trick: 'claims that are no JSON', token: signed(header, '{') },
    { trick: 'deep claims', token: signed(header, `${'['.repeat(3000)}${']'.repeat(3000)}`) },
  ];
}

/** The genuine bytes in another spelling: whoever keeps a list of tokens must not be fooled by one. */
function otherSpellings(header: string, claims: string, signature: string): Forgery[] {
  const token = `${header}.${claims}.${signature}`;
  const last = signature.at(-1) ?? '';
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  const twin = alphabet[alphabet.indexOf(last) ^ 1] ?? 'A';
  return [
    { trick: 'padding', token: `${token}==` },
    { trick: 'other unused bits at the end', token: token.slice(0, -1) + twin },
    { trick: 'a fourth part', token: `${token}.x` },
    { trick: 'a dot at the end', token: `${token}.` },
    { trick: 'no signature', token: `${header}.${claims}` },
    { trick: 'an empty signature', token: `${header}.${claims}.` },
    { trick: 'a signature cut short', token: token.slice(0, -8) },
    { trick: 'JSON instead of base64', token: '{"alg":"none"}.{"seat":1}.' },
    { trick: 'nothing', token: '' },
    { trick: 'dots', token: '..' },
    { trick: 'much', token: 'A'.repeat(9_000) },
  ];
}
