import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { connect, createServer as createTcpServer } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { LEARNER, listen, makeToken, mount, SEAT_PATH } from '@clarateach/gateway/testing';
import { type StandInSeat, standInSeat } from '@clarateach/gateway/testing-seat';
import { type HostileRoom, hostileRoom } from './room.ts';
import { bearer, say, sayBytes } from './wire.ts';

const SMUGGLED = 'GET /files/content?path=smuggled HTTP/1.1\r\nHost: a\r\n\r\n';
const CHUNK = `0\r\n\r\n${SMUGGLED}`;

/** Requests that two readers could end at different places. `head` has a good token. */
function ambiguous(target: string, head: string): readonly (readonly [string, string])[] {
  const post = (lines: string, body: string) => `POST ${target} HTTP/1.1\r\n${head}${lines}\r\n${body}`;
  const length = `Content-Length: ${CHUNK.length}\r\n`;
  return [
    ['length, then chunked', post(`${length}Transfer-Encoding: chunked\r\n`, CHUNK)],
    ['chunked, then length', post(`Transfer-Encoding: chunked\r\n${length}`, CHUNK)],
    ['chunked, then a short length', post('Transfer-Encoding: chunked\r\nContent-Length: 3\r\n', CHUNK)],
    ['two lengths', post(`Content-Length: 0\r\n${length}`, CHUNK)],
    ['a list of lengths', post(`Content-Length: 0, ${CHUNK.length}\r\n`, CHUNK)],
    ['a signed length', post(`Content-Length: +${CHUNK.length}\r\n`, CHUNK)],
    ['a negative length', post('Content-Length: -1\r\n', CHUNK)],
    ['a length in hexadecimal', post('Content-Length: 0x10\r\n', CHUNK)],
    ['a huge length', post('Content-Length: 99999999999999999999\r\n', CHUNK)],
    ['chunked and identity', post('Transfer-Encoding: chunked, identity\r\n', CHUNK)],
    [
      'identity and chunked',
      post(`Transfer-Encoding: identity\r\n${length}Transfer-Encoding: chunked\r\n`, CHUNK),
    ],
    ['an unknown coding', post(`Transfer-Encoding: xchunked\r\n${length}`, CHUNK)],
    ['a coding with a tab', post(`Transfer-Encoding:\tchunked\r\n${length}`, CHUNK)],
    ['a coding with a vertical tab', post(`Transfer-Encoding: \u000bchunked\r\n${length}`, CHUNK)],
    ['a space before the colon', post(`Transfer-Encoding : chunked\r\n${length}`, CHUNK)],
    ['a folded header', post(`X: a\r\n Transfer-Encoding: chunked\r\n${length}`, CHUNK)],
    ['a bare line feed', post(`X: a\nTransfer-Encoding: chunked\r\n${length}`, CHUNK)],
    ['a bare carriage return', post(`X: a\rTransfer-Encoding: chunked\r\n${length}`, CHUNK)],
    ['NUL in a header', post(`X: a\u0000b\r\n${length}`, CHUNK)],
    ['chunk extensions with line feeds', post('Transfer-Encoding: chunked\r\n', `0;a=\n${SMUGGLED}\r\n`)],
    ['a chunk size that wraps', post('Transfer-Encoding: chunked\r\n', `100000000000000000\r\n${SMUGGLED}`)],
    ['a negative chunk size', post('Transfer-Encoding: chunked\r\n', `-1\r\n${SMUGGLED}`)],
    [
      'trailers that are headers',
      post('Transfer-Encoding: chunked\r\n', `0\r\nContent-Length: 5\r\nHost: b\r\n\r\n`),
    ],
    ['two hosts', `GET ${target} HTTP/1.1\r\n${head}Host: evil.example\r\n\r\n`],
    [
      'an upgrade with a second request',
      `GET ${target} HTTP/1.1\r\n${head.replace('Connection: close\r\n', '')}Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n${SMUGGLED}`,
    ],
    ['a line break in the target', `GET ${target}%0d%0aHost:%20evil HTTP/1.1\r\n${head}\r\n`],
    ['HTTP/2 by prior knowledge', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
    ['HTTP/0.9', `GET ${target}\r\n`],
    ['CONNECT', `CONNECT 169.254.169.254:80 HTTP/1.1\r\n${head}\r\n`],
    ['an absolute target', `GET http://169.254.169.254${target} HTTP/1.1\r\n${head}\r\n`],
  ];
}

interface Noted {
  readonly url: string;
}

/** What a seat was asked beyond the one request that its learner was allowed. */
async function smuggle(base: string, target: string, head: string, seen: Noted[]): Promise<string[]> {
  const found: string[] = [];
  for (const [trick, bytes] of ambiguous(target, head)) {
    seen.length = 0;
    const answer = await sayBytes(base, bytes, 250);
    const smuggled = seen.filter(({ url }) => url.includes('smuggled') || url.includes('\n'));
    const answers = answer.match(/^HTTP\/1\.1 \d{3}/gm) ?? [];
    if (smuggled.length > 0) found.push(`${trick}: the seat was asked ${smuggled[0]?.url}`);
    else if (seen.length > 1) found.push(`${trick}: the seat was asked ${seen.length} times`);
    if (answers.some((line) => line.startsWith('HTTP/1.1 5'))) found.push(`${trick}: ${answers.join()}`);
  }
  return found;
}

describe('requests in a hostile room', () => {
  let seat: StandInSeat;
  before(async () => {
    seat = await standInSeat();
    seat.onFiles = (request, response) =>
      request
        .resume()
        .on('end', () => response.end('file'))
        .on('error', () => {});
  });
  after(() => seat.close());

  it('are one request to the gateway and to the seat alike, whatever their framing', async () => {
    const mounted = await mount();
    mounted.routes.put({ endpoint: seat.endpoint, holder: LEARNER });
    const head = `Host: localhost\r\nAuthorization: Bearer ${makeToken()}\r\n`;
    const found = await smuggle(
      `http://127.0.0.1:${mounted.port}`,
      `${SEAT_PATH}/files/content`,
      head,
      seat.seen as Noted[],
    );
    assert.deepEqual(found, []);
    // The connection to the seat is shared by requests: the next one must get its own answer.
    const next = await say(`http://127.0.0.1:${mounted.port}`, `${SEAT_PATH}/files?path=`, {
      headers: bearer(makeToken()),
    });
    assert.deepEqual([next.status, next.body], [200, 'file']);
    await mounted.close();
  });

  it('carry no header of the platform to the seat, and none that tells the seat another client', async () => {
    const mounted = await mount();
    mounted.routes.put({ endpoint: seat.endpoint, holder: LEARNER });
    seat.seen.length = 0;
    await say(`http://127.0.0.1:${mounted.port}`, `${SEAT_PATH}/files?path=`, {
      headers: [
        ...[
          'Authorization',
          `Bearer ${makeToken()}`,
          'Cookie',
          'clarateach-session=secret',
          'X-Forwarded-For',
          '10.0.0.1',
        ],
        ...[
          'Forwarded',
          'for=10.0.0.1',
          'X-Real-IP',
          '10.0.0.1',
          'Connection',
          'close, X-Hidden',
          'X-Hidden',
          'hop',
        ],
        ...['Proxy-Authorization', 'Basic eA==', 'Host', 'evil.example', 'TE', 'trailers'],
      ],
    });
    const [asked] = seat.seen;
    assert.ok(asked);
    assert.doesNotMatch(asked.rawHeaders.join('\n'), /bearer|secret|10\.0\.0\.1|evil|hop|Basic|trailers/i);
    await mounted.close();
  });

  it('the check notices a relay that trusts one framing before a seat that trusts another', async () => {
    const seen: Noted[] = [];
    const backend = createServer({ insecureHTTPParser: true }, (request, response) => {
      seen.push({ url: request.url ?? '' });
      request.resume().on('end', () => response.end('file'));
    });
    const port = await listen(backend);
    const relay = createTcpServer((client) => {
      const upstream = connect(port, '127.0.0.1');
      client.pipe(upstream).pipe(client);
      for (const each of [client, upstream]) each.on('error', () => each.destroy());
    });
    const front = await listen(relay);
    const found = await smuggle(`http://127.0.0.1:${front}`, '/files/content', 'Host: a\r\n', seen);
    relay.close();
    backend.closeAllConnections();
    backend.close();
    assert.ok(
      found.some((hole) => hole.startsWith('length, then chunked: the seat was asked')),
      found.join('\n'),
    );
  });
});

describe('hosts and logs in a hostile room', () => {
  let room: HostileRoom;
  const PUBLIC = 'https://teach.example.org';
  before(async () => {
    room = await hostileRoom({ env: { PUBLIC_URL: PUBLIC } });
  });
  after(() => room[Symbol.asyncDispose]());

  const evilHosts: readonly Record<string, string>[] = [
    { host: 'evil.example' },
    { host: 'teach.example.org.evil.example' },
    { host: 'teach.example.org', 'x-forwarded-host': 'evil.example' },
    { host: 'teach.example.org', forwarded: 'host=evil.example;proto=http' },
    { host: 'teach.example.org', 'x-forwarded-proto': 'javascript', 'x-original-url': '/evil.example' },
    { host: 'teach.example.org:evil.example' },
    { host: 'evil.example/@teach.example.org' },
    { host: 'teach.example.org', 'x-rewrite-url': 'http://evil.example/' },
    { host: 'ws-evil.example' },
    { host: '' },
  ];

  it('a host that somebody else chose is in no link, address or redirect', async () => {
    const found = await reflected(room, evilHosts);
    assert.deepEqual(found, []);
  });

  it('the check notices a server that believes the host it is called by', async () => {
    await using guessing = await hostileRoom();
    const found = await reflected(guessing, evilHosts);
    assert.ok(
      found.some((hole) => hole.startsWith('join')),
      'an unset PUBLIC_URL takes the host that was used',
    );
  });

  it('names, paths and headers forge no line of the log, and no secret is in it', async () => {
    const { server, base, ada, workshop, ben } = room;
    const forged = '\r\n{"level":50,"msg":"forged"}\u001b[31m\u2028';
    for (const name of [`Ann${forged}`, `${'\u0000'}Ann`]) {
      await server.anyone.request('POST', '/api/join', { code: workshop.code, name });
    }
    await say(base, `/api/session/${encodeURIComponent(forged)}`);
    await say(base, `/api/nothing/${encodeURIComponent(forged)}?token=${ada.token}`);
    await say(base, '/api/health', {
      headers: { 'x-request-id': '{"level":50}', 'user-agent': '{"forged":1}' },
    });
    await say(base, `${new URL(ada.endpoint).pathname}/vm/1/files?path=${encodeURIComponent(forged)}`, {
      headers: bearer(`${ada.token}x`),
    });
    await say(base, `/join/${workshop.code}`, { headers: { cookie: String(ben.browser.headers.cookie) } });
    await sayBytes(base, `GET /\u001b[31m HTTP/1.1\r\nHost: a\r\n\r\n`);
    const secrets = [ada.token, ben.token, workshop.code, ada.odehash, String(ben.browser.headers.cookie)];
    assert.deepEqual(problemsOfLog(server.logLines, secrets), []);
    assert.ok(server.logLines.length > 10);
  });

  it('the check notices a log that is written by hand', () => {
    const byHand = (name: string) => `{"level":30,"msg":"${name} joined"}\n`;
    const lines = [byHand('Ann\n{"level":50}'), byHand('\u001b[31m'), byHand('secret-token')];
    assert.equal(problemsOfLog(lines, ['secret-token']).length, 3);
  });
});

/** Answers in which a host of somebody else's choice turns up. */
async function reflected(
  { base, server, ada, workshop, ben }: HostileRoom,
  hosts: readonly Record<string, string>[],
): Promise<string[]> {
  const found: string[] = [];
  for (const host of hosts) {
    const json = { ...host, 'content-type': 'application/json' };
    const body = JSON.stringify({ code: workshop.code, name: 'Ada', odehash: ada.odehash });
    const answers = {
      join: await say(base, '/api/join', { method: 'POST', headers: json, body }),
      workshop: await say(base, `/api/workshops/${workshop.id}`, {
        headers: { ...host, ...bearer(ben.token) },
      }),
      link: await say(base, '/api/auth/link?token=x', { headers: host }),
      page: await say(base, '/join', { headers: host }),
      document: await say(base, '/api/openapi.json', { headers: host }),
      keys: await say(base, '/.well-known/jwks.json', { headers: host }),
    };
    for (const [what, { status, headers, body: text }] of Object.entries(answers)) {
      if (status >= 500 && what !== 'page') found.push(`${what} with ${JSON.stringify(host)}: ${status}`);
      if (/evil/.test(text + JSON.stringify(headers))) found.push(`${what} with ${JSON.stringify(host)}`);
    }
  }
  assert.ok(server.url);
  return found;
}

/** Lines that are not one JSON object, that hold control characters, or a secret. */
function problemsOfLog(lines: readonly string[], secrets: readonly string[]): string[] {
  return lines.flatMap((line) => {
    const text = line.replace(/\n$/, '');
    const problems: string[] = [];
    if (/[\u0000-\u001f\u007f\u2028\u2029]/.test(text))
      problems.push(`control characters: ${JSON.stringify(text)}`);
    else if (!isObject(text)) problems.push(`no JSON object: ${text}`);
    const secret = secrets.find((each) => text.includes(each));
    if (secret !== undefined) problems.push(`a secret: ${text}`);
    return problems;
  });
}

function isObject(text: string): boolean {
  try {
    return typeof JSON.parse(text) === 'object';
  } catch {
    return false;
  }
}
