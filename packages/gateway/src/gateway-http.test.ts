import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import { test } from 'node:test';
import type { Odehash } from '@clarateach/contract/ids';
import {
  ask,
  bearer,
  LEARNER,
  type Mounted,
  makeToken,
  mount,
  ORIGIN,
  raw,
  SEAT_PATH,
  STRANGER,
  until,
  WORKSHOP,
} from './testing.ts';
import { entrance, fill, HELD_BACK_BYTES, MOST_BYTES, takesMore } from './testing-flow.ts';
import { eachTestMounts, rawSeat, type StandInSeat } from './testing-seat.ts';

let mounted: Mounted;
let seat: StandInSeat;
const FILES = `${SEAT_PATH}/files`;
const token = makeToken();

eachTestMounts((...made) => {
  [mounted, seat] = made;
});

function codeOf(body: string): string {
  const { error } = JSON.parse(body);
  assert.ok(error.message.length > 0 && error.requestId.length > 0);
  return error.code;
}

async function refusal(path: string, headers: Record<string, string> = {}): Promise<string> {
  const answer = await ask(mounted.port, path, { headers });
  return `${answer.status} ${codeOf(answer.body)}`;
}

test('a request without a good token is 401, and never reaches the seat', async () => {
  assert.equal(await refusal(FILES), '401 unauthenticated');
  assert.equal(await refusal(`${FILES}?token=${token}&access_token=${token}`), '401 unauthenticated');
  assert.equal(await refusal(FILES, { authorization: `Basic ${token}` }), '401 unauthenticated');
  assert.equal(await refusal(FILES, { cookie: `token=${token}` }), '401 unauthenticated');
  assert.equal(await refusal(FILES, bearer(makeToken({ exp: 1 }))), '401 unauthenticated');
  assert.equal(await refusal(FILES, bearer(makeToken({ aud: 'other' }))), '401 unauthenticated');
  assert.equal(seat.seen.length, 0);
});

test('another seat, another workshop and a foreign origin are 403', async () => {
  mounted.routes.put({ seat: 2, endpoint: seat.endpoint, holder: STRANGER });
  assert.equal(await refusal(`/debug/proxy/${WORKSHOP}/vm/2/files`, bearer(token)), '403 forbidden');
  assert.equal(await refusal('/debug/proxy/ws-other234/vm/1/files', bearer(token)), '403 forbidden');
  assert.equal(await refusal(FILES, bearer(makeToken({ workshopId: 'ws-other234' }))), '403 forbidden');
  const foreign = { ...bearer(token), origin: 'http://evil.example' };
  assert.equal(await refusal(FILES, foreign), '403 foreign_origin');
  assert.equal(await refusal(FILES, { ...bearer(token), origin: 'null' }), '403 foreign_origin');
  assert.equal(seat.seen.length, 0);
});

test('a seat has so many connections at once, and further ones are 429', async () => {
  await using limited = new AsyncDisposableStack();
  const { port, routes } = limited.adopt(await mount({ connectionsPerSeat: 3 }), (each) => each.close());
  routes.put({ endpoint: seat.endpoint, holder: LEARNER });
  const waiting: (() => void)[] = [];
  seat.onFiles = (_req, res) => void waiting.push(() => res.end('file'));
  const held = [1, 2, 3].map(() => ask(port, FILES, { headers: bearer(token) }));
  await until('three are under way', () => waiting.length === 3);
  const refused = await ask(port, FILES, { headers: bearer(token) });
  assert.deepEqual([refused.status, refused.headers['retry-after']], [429, '5']);
  for (const go of waiting) go();
  assert.deepEqual(
    (await Promise.all(held)).map(({ status }) => status),
    [200, 200, 200],
  );
  seat.onFiles = (_req, res) => res.end('file');
  assert.equal((await ask(port, FILES, { headers: bearer(token) })).status, 200);
});

test('a seat that does not exist is 404, one that does not run 503, a lost one 403', async () => {
  assert.equal(await refusal(`/debug/proxy/${WORKSHOP}/vm/99/files`, bearer(token)), '404 not_found');
  mounted.routes.put({ endpoint: undefined, holder: LEARNER });
  assert.equal(await refusal(FILES, bearer(token)), '503 seat_not_running');
  mounted.routes.put({ endpoint: seat.endpoint, holder: STRANGER });
  assert.equal(await refusal(FILES, bearer(token)), '403 removed');
  mounted.routes.drop(1);
  assert.equal(await refusal(FILES, bearer(makeToken({ jti: 'j2' }))), '404 not_found');
  assert.equal(await refusal(`${SEAT_PATH}/nothing`, bearer(token)), '404 not_found');
  assert.equal(seat.seen.length, 0);
});

test('a claim made on another server is asked for once a second at most', async () => {
  mounted.routes.put({ endpoint: seat.endpoint, holder: STRANGER });
  mounted.routes.onRefresh = async (id) => {
    mounted.routes.put({ endpoint: seat.endpoint, holder: LEARNER });
    return mounted.routes.find(id);
  };
  const together = await Promise.all(
    [1, 2, 3].map(() => ask(mounted.port, FILES, { headers: bearer(token) })),
  );
  assert.deepEqual(
    together.map(({ status }) => status),
    [200, 200, 200],
  );
  const late = bearer(makeToken({ odehash: 'LATECOMER' as Odehash }));
  await Promise.all(Array.from({ length: 20 }, () => refusal(FILES, late)));
  assert.equal(mounted.routes.refreshed.length, 2);
  mounted.routes.onRefresh = () => Promise.reject(new Error('no database'));
  assert.equal(await refusal(FILES, bearer(makeToken({ odehash: 'THIRDONE' }))), '503 unavailable');
});

test('the seat gets a clean request, the client a clean answer', async () => {
  seat.onFiles = (_req, res) => {
    res.writeHead(200, {
      ETag: '"1"',
      'Content-Type': 'text/html',
      'Set-Cookie': 'session=stolen',
      'Access-Control-Allow-Origin': '*',
      'Access-Control-Allow-Credentials': 'true',
      'Strict-Transport-Security': 'max-age=1',
      'Clear-Site-Data': '"*"',
      'Content-Security-Policy': 'default-src *',
      'X-Hop': 'x',
      Connection: 'X-Hop',
    });
    res.end('<script>');
  };
  const { headers, status } = await ask(mounted.port, `${FILES}/content?path=a%20b`, {
    headers: {
      ...bearer(token),
      origin: ORIGIN,
      cookie: 'session=secret',
      referer: 'http://localhost:8080/join/CODE',
      range: 'bytes=0-1',
      connection: 'close, x-private',
      'x-private': 'y',
      'x-forwarded-for': '1.2.3.4',
      'x-forwarded-host': 'evil',
      forwarded: 'for=1.2.3.4',
      te: 'trailers',
    },
  });
  assert.equal(status, 200);
  const [seen] = seat.seen;
  assert.equal(seen?.url, '/files/content?path=a%20b');
  assert.deepEqual(seen?.rawHeaders, ['Host', 'localhost', 'range', 'bytes=0-1']);
  assert.equal(headers['access-control-allow-origin'], ORIGIN);
  assert.equal(headers.vary, 'Origin');
  assert.match(String(headers['access-control-expose-headers']), /ETag.*Content-Range/);
  assert.equal(headers['content-security-policy'], "sandbox; default-src 'none'; frame-ancestors 'none'");
  assert.equal(headers['x-content-type-options'], 'nosniff');
  assert.equal(headers.etag, '"1"');
  for (const name of ['set-cookie', 'strict-transport-security', 'clear-site-data', 'x-hop']) {
    assert.equal(headers[name], undefined, name);
  }
  assert.equal(headers['access-control-allow-credentials'], undefined);
});

test('the host base leads to the same seat, behind the same token', async () => {
  const host = `${WORKSHOP}.localhost:${mounted.port}`;
  const good = await ask(mounted.port, '/vm/1/files?path=a', { headers: { ...bearer(token), host } });
  assert.equal(good.body, 'file');
  assert.equal(seat.seen[0]?.url, '/files?path=a');
  assert.equal(await refusal('/vm/1/files', { host }), '401 unauthenticated');
  assert.equal(await refusal('/', { host }), '404 not_found');
});

test('OPTIONS is answered without a token, with CORS for allowed origins alone', async () => {
  const preflight = { 'access-control-request-method': 'PUT', 'access-control-request-headers': 'if-match' };
  const good = await ask(mounted.port, FILES, {
    method: 'OPTIONS',
    headers: { origin: ORIGIN, ...preflight },
  });
  assert.equal(good.status, 204);
  assert.equal(good.headers['access-control-allow-origin'], ORIGIN);
  assert.match(String(good.headers['access-control-allow-methods']), /PUT/);
  for (const name of ['Authorization', 'Range', 'If-Match', 'If-None-Match', 'Content-Type']) {
    assert.ok(String(good.headers['access-control-allow-headers']).includes(name), name);
  }
  const foreign = await ask(mounted.port, FILES, { method: 'OPTIONS', headers: { origin: 'http://evil' } });
  assert.equal(foreign.status, 204);
  assert.equal(foreign.headers['access-control-allow-origin'], undefined);
  assert.equal(foreign.headers.vary, 'Origin');
  assert.equal(seat.seen.length, 0);
});

test('connections to the seat are kept, and an old one that has ended is replaced unnoticed', async () => {
  const connections = new Set<unknown>();
  seat.onFiles = (req, res) => {
    connections.add(req.socket);
    res.end('file');
  };
  for (let round = 0; round < 5; round++) await ask(mounted.port, FILES, { headers: bearer(token) });
  assert.equal(connections.size, 1);
  let asked = 0;
  seat.onFiles = (req, res) => {
    asked++;
    if (asked === 1) req.socket.destroy();
    else res.end('again');
  };
  const answer = await ask(mounted.port, FILES, { headers: bearer(token) });
  assert.equal(answer.body, 'again');
});

test('bodies stream whole in both directions, counted and chunked', async () => {
  seat.onFiles = (req, res) => {
    res.writeHead(
      200,
      req.headers['content-length'] ? { 'content-length': req.headers['content-length'] } : {},
    );
    req.pipe(res);
  };
  const body = randomBytes(5_000_000);
  const digest = createHash('sha256').update(body).digest('hex');
  for (const headers of [{ 'content-length': String(body.length) }, { 'transfer-encoding': 'chunked' }]) {
    const hash = createHash('sha256');
    await new Promise<void>((resolve, reject) => {
      const options = {
        port: mounted.port,
        path: FILES,
        method: 'PUT',
        headers: { ...headers, ...bearer(token) },
      };
      const req = httpRequest(options, (res) => {
        res.on('data', (chunk: Buffer) => hash.update(chunk));
        res.on('end', resolve);
      });
      req.on('error', reject);
      req.end(body);
    });
    assert.equal(hash.digest('hex'), digest);
  }
});

test('HEAD, 204, 304 and an early answer leave no connection out of step', async () => {
  seat.onFiles = (req, res) => {
    const status = Number(req.headers['x-status'] ?? 200);
    res.writeHead(status, req.method === 'HEAD' ? { 'content-length': 10 } : {});
    res.end(req.method === 'HEAD' || status !== 200 ? undefined : 'body');
  };
  for (let round = 0; round < 3; round++) {
    const head = await ask(mounted.port, FILES, { method: 'HEAD', headers: bearer(token) });
    assert.equal(head.headers['content-length'], '10');
    for (const status of ['204', '304']) {
      const answer = await ask(mounted.port, FILES, { headers: { ...bearer(token), 'x-status': status } });
      assert.equal(String(answer.status), status);
    }
    assert.equal((await ask(mounted.port, FILES, { headers: bearer(token) })).body, 'body');
  }
  seat.onFiles = (_req, res) => {
    res.writeHead(413);
    res.end('no');
  };
  const early = await ask(mounted.port, FILES, {
    method: 'PUT',
    headers: bearer(token),
    body: Buffer.alloc(3e6),
  });
  assert.equal(early.status, 413);
});

test('a client that does not read holds the seat back, and nothing fills up in between', async (t) => {
  let answer: ServerResponse | undefined;
  seat.onFiles = (_req, res) => {
    answer = res;
  };
  const head = `GET ${FILES} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${token}\r\n\r\n`;
  const client = raw(await entrance(t, mounted), head);
  client.socket.pause();
  await until('the seat is asked', () => answer !== undefined);
  const res = answer as unknown as ServerResponse;
  const written = await fill(res, MOST_BYTES);
  assert.ok(written < HELD_BACK_BYTES, `${written} bytes taken for a client that reads nothing`);
  assert.equal(await takesMore(res), false);
  client.socket.resume();
  await until('it goes on', () => !res.writableNeedDrain);
  client.socket.destroy();
});

test('a seat that does not read holds the client back', async (t) => {
  let stuck: IncomingMessage | undefined;
  seat.onFiles = (req) => {
    stuck = req.pause();
  };
  const socketPath = await entrance(t, mounted);
  const req = httpRequest({ socketPath, path: FILES, method: 'PUT', headers: bearer(token) });
  req.on('error', () => {});
  req.flushHeaders();
  await until('the seat is asked', () => stuck !== undefined);
  const sent = await fill(req, MOST_BYTES);
  assert.ok(sent < HELD_BACK_BYTES, `${sent} bytes taken for a seat that reads nothing`);
  assert.equal(await takesMore(req), false);
  req.destroy();
  await until('the gateway lets go', () => mounted.gateway.stats().requests === 1);
  stuck?.on('error', () => {}).resume();
});

test('a client that goes away ends the request in the seat', async () => {
  let ended = false;
  seat.onFiles = (_req, res) => {
    res.write('begun');
    res.on('close', () => {
      ended = true;
    });
  };
  const req = httpRequest({ port: mounted.port, path: FILES, headers: bearer(token) });
  const res = await new Promise<IncomingMessage>((resolve) => {
    req.on('response', resolve);
    req.end();
  });
  res.on('error', () => {});
  req.on('error', () => {});
  res.destroy();
  await until('the seat notices', () => ended);
});

test('a holder who changes loses a download', async () => {
  seat.onFiles = (_req, res) => void res.write('begun');
  const req = httpRequest({ port: mounted.port, path: FILES, headers: bearer(token) });
  const res = await new Promise<IncomingMessage>((resolve) => {
    req.on('response', resolve);
    req.end();
  });
  const broken = new Promise((resolve) => res.on('error', resolve));
  res.resume();
  mounted.routes.put({ endpoint: seat.endpoint, holder: STRANGER });
  await broken;
});

test('answers that are broken or late become 503 or a broken connection, never a lie', async () => {
  const say = async (text: string, end = true): Promise<string> => {
    const liar = await rawSeat((socket) => {
      socket.once('data', () => (end ? socket.end(text, 'latin1') : socket.write(text, 'latin1')));
    });
    const own = await mount({ responseTimeoutMs: 100 });
    own.routes.put({ endpoint: liar.endpoint, holder: LEARNER });
    const answer = await ask(own.port, FILES, { headers: bearer(token) }).catch(() => undefined);
    await own.close();
    await until('nothing is left', () => liar.sockets() === 0);
    await liar.close();
    return answer
      ? `${answer.status} ${answer.status === 503 ? codeOf(answer.body) : answer.body}`
      : 'broken';
  };
  assert.equal(await say('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'), '200 ok');
  assert.equal(await say('HTTP/1.1 200 OK\r\n\r\nuntil the end'), '200 until the end');
  assert.equal(
    await say('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n'),
    '200 ok',
  );
  assert.equal(
    await say('HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'),
    '200 ok',
  );
  for (const malformed of [
    '',
    'HTTP/1.1 200 OK\r\nContent-Le',
    'SSH-2.0-OpenSSH\r\n\r\n',
    'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok',
    'HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\n',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n',
    'HTTP/1.1 200 OK\r\nA: b\r\n folded\r\n\r\n',
    'HTTP/1.1 200 OK\r\nA : b\r\n\r\n',
    'HTTP/1.1 200 OK\r\nA: b\rSet-Cookie: c\r\n\r\n',
    'HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n',
    `HTTP/1.1 200 OK\r\nA: ${'b'.repeat(70_000)}\r\n\r\n`,
  ]) {
    assert.equal(await say(malformed), '503 unavailable', malformed.slice(0, 60));
  }
  assert.equal(await say('', false), '503 unavailable');
  assert.equal(await say('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok'), 'broken');
  assert.equal(await say('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nok'), 'broken');
  assert.equal(
    await say('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok!!\r\n0\r\n\r\n'),
    'broken',
  );
});

test('what follows an answer unasked is never taken for the next one', async () => {
  const liar = await rawSeat((socket) => {
    socket.on('data', () =>
      socket.write(
        'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil',
      ),
    );
  });
  mounted.routes.put({ endpoint: liar.endpoint, holder: LEARNER });
  for (let round = 0; round < 3; round++) {
    assert.equal((await ask(mounted.port, FILES, { headers: bearer(token) })).body, 'ok');
  }
  mounted.routes.drop(1);
  await until('nothing is left', () => liar.sockets() === 0);
  await liar.close();
});

test('a seat that has gone is 503', async () => {
  mounted.routes.put({ endpoint: { kind: 'unix', directory: '/nonexistent' }, holder: LEARNER });
  assert.equal(await refusal(FILES, bearer(token)), '503 seat_not_running');
});

test('requests that could be read in two ways reach no seat', async () => {
  const start = `POST ${FILES} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${token}\r\n`;
  const hidden = `GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n`;
  for (const rest of [
    `Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${hidden}`,
    `Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n${hidden}`,
    `Content-Length: 4\r\nContent-Length: 40\r\n\r\nabcd${hidden}`,
    `Content-Length: 4, 4\r\n\r\nabcd${hidden}`,
    `Content-Length: +4\r\n\r\nabcd${hidden}`,
    `Content-Length: 4\r\n folded\r\n\r\nabcd${hidden}`,
    `Content-Length : 4\r\n\r\nabcd${hidden}`,
    `Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n${hidden}`,
    `Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n${hidden}`,
    `Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n${hidden}`,
    `Transfer-Encoding\x0b: chunked\r\n\r\n0\r\n\r\n${hidden}`,
    `Transfer-Encoding: chunked\nContent-Length: 4\r\n\r\n0\r\n\r\n${hidden}`,
    `A: b\r\n\tTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${hidden}`,
    `A: b\0c\r\n\r\n${hidden}`,
    `Transfer-Encoding: chunked\r\n\r\n0x4\r\nabcd\r\n0\r\n\r\n${hidden}`,
    `Transfer-Encoding: chunked\r\n\r\n4\nabcd\n0\n\n${hidden}`,
    `Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\nabcd`,
  ]) {
    const client = raw(mounted.port, start + rest);
    await until(`an answer to ${JSON.stringify(rest)}`, () => client.received() !== '' || client.closed());
    client.socket.destroy();
    assert.doesNotMatch(client.received(), /^HTTP\/1.1 200/, rest);
  }
  // A body that is cut short or malformed may have begun; no second request may come of it.
  assert.ok(seat.seen.every(({ url }) => url === '/files'));
});

test('pipelined requests are answered one by one, each with its own token', async () => {
  const one = (headers: string): string => `GET ${FILES} HTTP/1.1\r\nHost: localhost\r\n${headers}\r\n`;
  const client = raw(
    mounted.port,
    one(`Authorization: Bearer ${token}\r\n`) + one('') + one('Connection: close\r\n'),
  );
  await until('all three', () => client.received().split('HTTP/1.1 ').length === 4);
  assert.deepEqual(
    [...client.received().matchAll(/HTTP\/1.1 (\d+)/g)].map(([, status]) => status),
    ['200', '401', '401'],
  );
  client.socket.destroy();
});

test('the ports that the learner listens on are asked of the seat', async () => {
  seat.onFiles = (req, res) => res.end(req.url === '/ports' ? '{"ports":[5173]}' : '');
  const answer = await ask(mounted.port, `${SEAT_PATH}/preview`, { headers: bearer(token) });
  assert.deepEqual(JSON.parse(answer.body), { ports: [5173] });
});

test('events and counters hold no token', async () => {
  await ask(mounted.port, FILES, { headers: bearer(token) });
  await refusal(`${FILES}?token=${token}`);
  const told = JSON.stringify([mounted.events, mounted.gateway.stats()]);
  assert.ok(!told.includes(token.slice(0, 40)));
  assert.equal(mounted.gateway.stats().refusals.unauthenticated, 1);
  assert.equal(mounted.gateway.stats().requests, 1);
  assert.equal(mounted.events[0]?.type, 'refused');
});

test('what is not the gateway’s goes on to the platform', async () => {
  assert.equal((await ask(mounted.port, '/api/health')).body, 'platform');
});
