import { TERMINAL_PROTOCOL } from '@clarateach/contract/terminal';
import fc from 'fast-check';
import type { Operation } from './operations.ts';
import { almost, NASTY_TEXTS, valid } from './schema-arbitrary.ts';

/** One thing to send, as plain values, so that a failure can be printed and sent again. */
export type Fuzz =
  | {
      readonly kind: 'http';
      readonly method: string;
      readonly target: string;
      readonly headers: Readonly<Record<string, string>>;
      readonly body: string | Uint8Array | undefined;
    }
  | { readonly kind: 'bytes'; readonly bytes: string }
  | {
      readonly kind: 'websocket';
      readonly target: string;
      readonly protocols: readonly string[];
      readonly frames: readonly (string | Uint8Array)[];
    };

export interface FuzzTarget {
  readonly operations: readonly Operation[];
  readonly apiToken: string;
  readonly seatToken: string;
  /** The path of the learner's seat. */
  readonly seat: string;
  readonly code: string;
}

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'PROPFIND'] as const;
const nastyText = fc.oneof(fc.constantFrom(...NASTY_TEXTS), fc.string({ unit: 'binary', maxLength: 40 }));
const headerText = fc.string({ maxLength: 60 }).map((text) => text.replace(/[^\x20-\x7e]/g, ''));
/** Everybody comes from somewhere else, so that no limit of guesses hides what is behind it. */
const address = fc.ipV4();

/** Percent-encodes what HTTP cannot carry, and leaves the rest as it is. */
const asTarget = (text: string) =>
  text.toWellFormed().replace(/[^\x21-\x7e]/gu, (character) => encodeURIComponent(character));

/** Requests that name no running workshop of the owner's, so that fuzzing starts and ends nothing by the hundred. */
export function fuzzes(target: FuzzTarget): fc.Arbitrary<Fuzz> {
  return fc.oneof(
    {
      weight: 55,
      arbitrary: fc.oneof(...target.operations.map((operation) => apiRequest(operation, target))),
    },
    { weight: 8, arbitrary: anyRequest(target) },
    { weight: 25, arbitrary: filesRequest(target) },
    { weight: 5, arbitrary: rawBytes(target) },
    { weight: 4, arbitrary: terminalSession(target) },
    { weight: 3, arbitrary: watchSession(target) },
  );
}

function credentials({ apiToken, seatToken }: FuzzTarget): fc.Arbitrary<Record<string, string>> {
  return fc.oneof(
    fc.constant({}),
    fc.constant({ authorization: `Bearer ${apiToken}` }),
    fc.constant({ authorization: `Bearer ${seatToken}` }),
    headerText.map((text) => ({ authorization: text })),
    headerText.map((text) => ({ cookie: `clarateach-session=${text}` })),
  );
}

const extraHeaders: fc.Arbitrary<Record<string, string>> = fc.dictionary(
  fc.constantFrom(
    'origin',
    'range',
    'if-match',
    'if-none-match',
    'accept',
    'last-event-id',
    'x-request-id',
    'referer',
    'if-range',
    'sec-fetch-site',
    'accept-encoding',
  ),
  headerText,
  { maxKeys: 3 },
);

function apiRequest(operation: Operation, target: FuzzTarget): fc.Arbitrary<Fuzz> {
  const known = (field: string) => (field === 'code' ? fc.constant(target.code) : undefined);
  const parts = operation.parameters.map((parameter) =>
    fc.oneof(valid(parameter.schema).map(String), nastyText).map((value) => ({ parameter, value })),
  );
  const body = fc.oneof(
    { weight: 6, arbitrary: almost(operation.body, known).map(harmless) },
    { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 200 }) },
  );
  return fc
    .tuple(fc.tuple(...parts), body, credentials(target), extraHeaders, address)
    .map(([values, sent, who, extra, from]) => {
      let path = operation.path;
      const query = new URLSearchParams();
      for (const { parameter, value } of values) {
        const text = value.toWellFormed();
        if (parameter.in === 'path')
          path = path.replace(`{${parameter.name}}`, encodeURIComponent(text) || '%20');
        else if (parameter.in === 'query' && parameter.name !== 'wait') query.set(parameter.name, text);
      }
      const hasBody = operation.body !== undefined || operation.method !== 'GET';
      return {
        kind: 'http' as const,
        method: operation.method,
        target: asTarget(query.size > 0 ? `${path}?${query}` : path),
        headers: {
          'x-forwarded-for': from,
          ...extra,
          ...who,
          ...(hasBody ? { 'content-type': 'application/json' } : {}),
        },
        body:
          hasBody && sent !== undefined
            ? typeof sent === 'string'
              ? sent
              : JSON.stringify(sent)
            : undefined,
      };
    });
}

/** Workshops are made, and their seats are not. */
function harmless(body: unknown): unknown {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) return body;
  return 'seats' in body ? { ...body, start: false } : body;
}

function anyRequest(target: FuzzTarget): fc.Arbitrary<Fuzz> {
  const places = [
    '/',
    '/api/',
    '/debug/proxy/',
    `${target.seat}/`,
    '/.well-known/',
    '/assets/',
    '/join/',
    '/metrics',
    '//',
    '*',
  ];
  return fc
    .tuple(
      fc.constantFrom(...METHODS),
      fc.constantFrom(...places),
      nastyText,
      credentials(target),
      extraHeaders,
      address,
    )
    .map(([method, place, rest, who, extra, from]) => ({
      kind: 'http' as const,
      method,
      target: asTarget(`${place}${rest}`),
      headers: { 'x-forwarded-for': from, ...extra, ...who },
      body: undefined,
    }));
}

function filesRequest(target: FuzzTarget): fc.Arbitrary<Fuzz> {
  const name = fc.oneof(fc.constantFrom('a', 'b', 'a/b', 'c.txt', 'a/c.txt'), nastyText);
  const query = name.map((path) => `path=${encodeURIComponent(path.toWellFormed())}`);
  const json = (fields: fc.Arbitrary<unknown>) => fields.map((value) => JSON.stringify(value));
  const noBody = fc.constant(undefined);
  const content = fc.oneof(fc.uint8Array({ maxLength: 2000 }), fc.string({ unit: 'binary', maxLength: 100 }));
  const request = (method: string, path: string, body: fc.Arbitrary<string | Uint8Array | undefined>) =>
    fc.tuple(query, body, extraHeaders).map(([text, sent, extra]) => ({
      kind: 'http' as const,
      method,
      target: asTarget(`${target.seat}/files${path}?${text}`),
      headers: { ...extra, authorization: `Bearer ${target.seatToken}` },
      body: sent,
    }));
  const archives = fc
    .constantFrom('\u001f\u008b', 'PK\u0003\u0004', '')
    .chain((magic) =>
      fc.uint8Array({ maxLength: 600 }).map((rest) => Buffer.concat([Buffer.from(magic, 'latin1'), rest])),
    );
  return fc
    .oneof(
      request('GET', '', noBody),
      request('DELETE', '', noBody),
      request('GET', '/content', noBody),
      request('HEAD', '/content', noBody),
      request('PUT', '/content', content),
      request('POST', '/directory', json(fc.oneof(fc.record({ path: name }), fc.jsonValue()))),
      request('POST', '/move', json(fc.oneof(fc.record({ from: name, to: name }), fc.jsonValue()))),
      request('GET', '/archive', noBody),
      request('POST', '/archive', archives),
      request('PATCH', '/content', content),
      fc
        .tuple(fc.oneof(json(fc.record({ port: fc.oneof(fc.integer(), nastyText) })), content))
        .map(([body]) => ({
          kind: 'http' as const,
          method: 'POST',
          target: `${target.seat}/preview`,
          headers: { authorization: `Bearer ${target.seatToken}` },
          body,
        })),
    )
    .filter(notOwnOrigin);
}

/** A foreign origin is refused before anything else; most requests are to get further. */
function notOwnOrigin({ headers }: { headers: Readonly<Record<string, string>> }): boolean {
  return headers.origin === undefined || headers.origin.length % 4 === 0;
}

function rawBytes({ seat, seatToken }: FuzzTarget): fc.Arbitrary<Fuzz> {
  const line = fc.constantFrom(
    'GET / HTTP/1.1\r\n',
    'POST /api/join HTTP/1.1\r\n',
    `GET ${seat}/files HTTP/1.1\r\n`,
    `PUT ${seat}/files/content?path=x HTTP/1.1\r\nAuthorization: Bearer ${seatToken}\r\n`,
    'GET http://[::1]/ HTTP/1.1\r\n',
    'OPTIONS * HTTP/1.0\r\n',
    '',
  );
  const header = fc.oneof(
    fc.constantFrom(
      'Host: a\r\n',
      'Content-Length: 5\r\n',
      'Transfer-Encoding: chunked\r\n',
      'Upgrade: websocket\r\nConnection: Upgrade\r\n',
      'Expect: 100-continue\r\n',
      'Connection: close\r\n',
      '\r\n',
    ),
    fc.string({ unit: 'binary', maxLength: 30 }),
  );
  return fc
    .tuple(line, fc.array(header, { maxLength: 6 }), fc.string({ unit: 'binary', maxLength: 100 }))
    .map(([first, headers, rest]) => ({
      kind: 'bytes' as const,
      bytes: `${first}${headers.join('')}\r\n${rest}`,
    }));
}

const control = fc
  .oneof(
    fc.record({
      type: fc.constantFrom('attach', 'resize', 'ack', 'ready', 'exit', '', 'constructor'),
      cols: fc.oneof(fc.integer({ min: -5, max: 2000 }), fc.double(), nastyText),
      rows: fc.oneof(fc.integer({ min: -5, max: 2000 }), fc.constant(null)),
      after: fc.oneof(fc.integer({ min: -5 }), fc.constant(Number.MAX_SAFE_INTEGER)),
      bytes: fc.oneof(fc.integer({ min: -5 }), fc.constant(1e300)),
      mode: fc.constantFrom('read', 'write', 'admin'),
    }),
    fc.jsonValue({ maxDepth: 3 }),
  )
  .map((value) => JSON.stringify(value));

const frame: fc.Arbitrary<string | Uint8Array> = fc.oneof(
  control,
  control,
  fc.string({ unit: 'binary', maxLength: 80 }).map((text) => text.toWellFormed()),
  fc.uint8Array({ maxLength: 300 }),
);

const ATTACH = JSON.stringify({ type: 'attach', cols: 80, rows: 24, after: 0, mode: 'write' });

function terminalSession({ seat, seatToken }: FuzzTarget): fc.Arbitrary<Fuzz> {
  return fc.tuple(fc.boolean(), fc.array(frame, { maxLength: 12 })).map(([attaches, frames]) => ({
    kind: 'websocket' as const,
    target: `${seat}/terminal`,
    protocols: [TERMINAL_PROTOCOL, `bearer.${seatToken}`],
    frames: attaches ? [ATTACH, ...frames] : frames,
  }));
}

function watchSession({ seat, seatToken }: FuzzTarget): fc.Arbitrary<Fuzz> {
  return fc.array(frame, { maxLength: 6 }).map((frames) => ({
    kind: 'websocket' as const,
    target: `${seat}/files/watch`,
    protocols: ['clarateach.files.v1', `bearer.${seatToken}`],
    frames,
  }));
}
