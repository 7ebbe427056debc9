import assert from 'node:assert/strict';
import type { Duplex } from 'node:stream';
import { test } from 'node:test';
import { WebSocket } from 'ws';
import {
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

const TERMINAL = `${SEAT_PATH}/terminal`;
const PROTOCOL = 'clarateach.terminal.v1';
const KEY = 'dGhlIHNhbXBsZSBub25jZQ==';
const ACCEPT = 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=';
const token = makeToken();
/** The head of a binary frame of 2^40 bytes: whatever follows belongs to it. */
const FRAME_WITHOUT_END = Buffer.from([0x82, 127, 0, 0, 1, 0, 0, 0, 0, 0]);

let mounted: Mounted;
let seat: StandInSeat;

eachTestMounts((...made) => {
  [mounted, seat] = made;
});

interface Opened {
  readonly socket: WebSocket;
  readonly closed: Promise<{ readonly code: number; readonly atMs: number }>;
  readonly messages: Buffer[];
}

function open(path = TERMINAL, protocols = [PROTOCOL, `bearer.${token}`], headers = {}): Promise<Opened> {
  const socket = new WebSocket(`ws://127.0.0.1:${mounted.port}${path}`, protocols, { headers });
  const messages: Buffer[] = [];
  socket.on('message', (data) => messages.push(data as Buffer));
  const closed = new Promise<{ code: number; atMs: number }>((resolve) => {
    socket.on('close', (code) => resolve({ code, atMs: Date.now() }));
  });
  return new Promise((resolve, reject) => {
    socket.on('open', () => resolve({ socket, closed, messages }));
    socket.on('error', reject);
  });
}

async function refused(path: string, protocols: string[], headers = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(`ws://127.0.0.1:${mounted.port}${path}`, protocols, { headers });
    socket.on('open', () => reject(new Error('it opened')));
    socket.on('error', () => {});
    socket.on('unexpected-response', (_req, res) => {
      let body = '';
      res.on('data', (chunk) => {
        body += chunk;
      });
      res.on('end', () => {
        let code: string | undefined;
        try {
          code = JSON.parse(body).error.code;
        } catch {
          code = body;
        }
        resolve(`${res.statusCode} ${code}`);
      });
    });
  });
}

function handshake(path = TERMINAL, more = ''): string {
  return `GET ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${KEY}\r\nSec-WebSocket-Protocol: ${PROTOCOL}, bearer.${token}\r\n${more}\r\n`;
}

test('a terminal opens with the token as a subprotocol, which the seat never sees', async () => {
  const { socket, messages, closed } = await open();
  assert.equal(socket.protocol, PROTOCOL);
  socket.send('typed');
  await until('the echo', () => messages.length === 1);
  assert.equal(mounted.gateway.connections(), 1);
  const headers = seat.seen[0]?.rawHeaders.join('\n') ?? '';
  assert.ok(!headers.includes(token));
  assert.ok(!headers.toLowerCase().includes('extensions'));
  assert.ok(headers.includes(`Sec-WebSocket-Protocol\n${PROTOCOL}`));
  socket.close(1000);
  assert.equal((await closed).code, 1000);
  await until('it is over', () => mounted.gateway.connections() === 0);
  assert.deepEqual(
    mounted.events.map(({ type }) => type),
    ['opened', 'closed'],
  );
});

test('a program opens it with a header, with or without naming the protocol', async () => {
  const headers = { authorization: `Bearer ${token}` };
  const named = await open(TERMINAL, [PROTOCOL], headers);
  assert.equal(named.socket.protocol, PROTOCOL);
  const plain = await open(TERMINAL, [], headers);
  assert.equal(plain.socket.protocol, '');
  const watch = await open(`${SEAT_PATH}/files/watch`, ['clarateach.files.v1', `bearer.${token}`]);
  assert.equal(watch.socket.protocol, 'clarateach.files.v1');
  for (const { socket } of [named, plain, watch]) socket.terminate();
});

test('an upgrade is refused with the status that says why', async () => {
  const own = [PROTOCOL, `bearer.${token}`];
  assert.equal(await refused(TERMINAL, [PROTOCOL]), '401 unauthenticated');
  assert.equal(await refused(`${TERMINAL}?token=${token}`, [PROTOCOL]), '401 unauthenticated');
  assert.equal(await refused(TERMINAL, [PROTOCOL, 'bearer.x.y.z']), '401 unauthenticated');
  assert.equal(await refused(TERMINAL, [PROTOCOL, `bearer.${makeToken({ exp: 1 })}`]), '401 unauthenticated');
  assert.equal(await refused(TERMINAL, own, { origin: 'http://evil.example' }), '403 foreign_origin');
  mounted.routes.put({ seat: 2, endpoint: seat.endpoint, holder: STRANGER });
  assert.equal(await refused(`/debug/proxy/${WORKSHOP}/vm/2/terminal`, own), '403 forbidden');
  assert.equal(await refused(`/debug/proxy/${WORKSHOP}/vm/99/terminal`, own), '404 not_found');
  assert.equal(await refused(`${SEAT_PATH}/preview`, own), '404 not_found');
  assert.equal(await refused('/elsewhere', own), '404 not_found');
  mounted.routes.put({ endpoint: seat.endpoint, holder: STRANGER });
  assert.equal(await refused(TERMINAL, own), '403 removed');
  mounted.routes.put({ endpoint: undefined, holder: LEARNER });
  assert.equal(
    await refused(TERMINAL, [PROTOCOL, `bearer.${makeToken({ jti: 'b' })}`]),
    '503 seat_not_running',
  );
  assert.equal(seat.seen.length, 0);
});

test('an allowed origin passes', async () => {
  const { socket } = await open(TERMINAL, [PROTOCOL, `bearer.${token}`], { origin: ORIGIN });
  socket.terminate();
});

test('a holder who changes is told 4403, in the middle of a flood too', async () => {
  seat.terminal.once('connection', (socket) => {
    const block = Buffer.alloc(100_000);
    const flood = (): void => {
      if (socket.readyState === socket.OPEN) socket.send(block, flood);
    };
    flood();
  });
  const { closed, messages } = await open();
  await until('the flood', () => messages.length > 10);
  mounted.routes.put({ endpoint: seat.endpoint, holder: STRANGER });
  const { code } = await closed;
  assert.equal(code, 4403);
  assert.ok(messages.every(({ length }) => length === 100_000));
});

test('a token that expires closes with 4401', async () => {
  const exp = Math.floor(Date.now() / 1000) + 1;
  const { closed } = await open(TERMINAL, [PROTOCOL, `bearer.${makeToken({ exp })}`]);
  const { code, atMs } = await closed;
  assert.equal(code, 4401);
  assert.ok(atMs >= exp * 1000);
});

test('a route that goes, moves or closes with the gateway says 1001', async () => {
  const first = await open();
  mounted.routes.put({ endpoint: undefined, holder: LEARNER });
  assert.equal((await first.closed).code, 1001);
  mounted.routes.put({ endpoint: seat.endpoint, holder: LEARNER });
  const second = await open();
  mounted.routes.drop(1);
  assert.equal((await second.closed).code, 1001);
  mounted.routes.put({ endpoint: seat.endpoint, holder: LEARNER });
  const third = await open();
  const ended = mounted.gateway.close();
  assert.equal((await third.closed).code, 1001);
  await ended;
});

test('a seat that vanishes without a word says 1001 for it', async () => {
  const { closed } = await open();
  for (const client of seat.terminal.clients) client.terminate();
  assert.equal((await closed).code, 1001);
});

test('a change that leaves seat and holder as they were disturbs nobody', async () => {
  const { socket, messages } = await open();
  mounted.routes.put({ endpoint: { ...seat.endpoint }, holder: LEARNER });
  socket.send('still here');
  await until('the echo', () => messages.length === 1);
  socket.terminate();
});

test('a client that reads nothing stops the seat, and a removed one is cut off nevertheless', async (t) => {
  let terminal: Duplex | undefined;
  seat.onUpgrade = (req, socket, head) => {
    seat.terminal.handleUpgrade(req, socket, head, () => {
      terminal = socket;
    });
  };
  const client = raw(await entrance(t, mounted), handshake());
  client.socket.pause();
  await until('it is open', () => terminal !== undefined && mounted.gateway.connections() === 1);
  const flood = terminal as unknown as Duplex;
  flood.write(FRAME_WITHOUT_END);
  const sent = await fill(flood, MOST_BYTES);
  assert.ok(sent < HELD_BACK_BYTES, `${sent} bytes taken`);
  assert.equal(await takesMore(flood), false);
  mounted.routes.put({ endpoint: seat.endpoint, holder: STRANGER });
  await until('it is over', () => mounted.gateway.connections() === 0);
  client.socket.destroy();
});

test('a seat that reads nothing stops the client', async (t) => {
  seat.onUpgrade = (_req, socket) => {
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${ACCEPT}\r\n\r\n`,
    );
    socket.pause();
  };
  const client = raw(await entrance(t, mounted), handshake());
  await until('it is open', () => client.received().includes('101'));
  const taken = await fill(client.socket, MOST_BYTES);
  assert.ok(taken < HELD_BACK_BYTES, `${taken} bytes taken`);
  assert.equal(await takesMore(client.socket), false);
  client.socket.destroy();
  seat.onUpgrade = undefined;
  await mounted.gateway.close();
  // The stand-in never reads, so it never learns; what counts is that the gateway has let go.
  assert.equal(mounted.gateway.connections(), 0);
  seat.dropAll();
});

test('a refusal by the seat passes with its status', async () => {
  seat.onUpgrade = (_req, socket) => {
    socket.end('HTTP/1.1 418 No\r\nContent-Length: 5\r\nSet-Cookie: a=b\r\n\r\nshort');
  };
  assert.equal(await refused(TERMINAL, [PROTOCOL, `bearer.${token}`]), '418 short');
  const client = raw(mounted.port, handshake());
  await until('the answer', () => client.received().includes('short'));
  assert.ok(!client.received().includes('Set-Cookie'));
  client.socket.destroy();
});

test('a seat that answers an upgrade wrongly, partly, late or not at all is 503', async () => {
  const upgraded = `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n`;
  for (const [text, end] of [
    ['', true],
    ['', false],
    ['HTTP/1.1 101 Swi', true],
    ['HTTP/1.1 101 Swi', false],
    [`${upgraded}\r\n`, false],
    [`${upgraded}Sec-WebSocket-Accept: wrong\r\n\r\n`, false],
    ['HTTP/1.1 101 X\r\nUpgrade: h2c\r\n\r\n', false],
    ['hello\r\n\r\n', false],
  ] as const) {
    const liar = await rawSeat((socket) => {
      socket.once('data', () => (end ? socket.end(text) : socket.write(text)));
    });
    const own = await mount({ responseTimeoutMs: 150 });
    own.routes.put({ endpoint: liar.endpoint, holder: LEARNER });
    const client = raw(own.port, handshake());
    await until(`an end after ${JSON.stringify(text)}`, () => client.closed());
    assert.match(client.received(), /^HTTP\/1.1 503 /, text);
    assert.equal(own.gateway.connections(), 0);
    await own.close();
    await until('nothing is left', () => liar.sockets() === 0);
    await liar.close();
  }
  mounted.routes.put({ endpoint: { kind: 'unix', directory: '/nonexistent' }, holder: LEARNER });
  assert.equal(await refused(TERMINAL, [PROTOCOL, `bearer.${token}`]), '503 seat_not_running');
});

test('clients that vanish at any moment leave nothing behind', async () => {
  let asked = 0;
  seat.onUpgrade = (_req, socket) => {
    asked++;
    socket.on('end', () => socket.end()).resume();
  };
  for (const leave of ['destroy', 'resetAndDestroy', 'end'] as const) {
    const client = raw(mounted.port, handshake());
    await until('the seat is asked', () => asked > 0);
    asked = 0;
    client.socket[leave]();
    await until(`${leave} is noticed`, () => mounted.gateway.connections() === 0 && seat.sockets() === 0);
  }
  seat.onUpgrade = undefined;
  for (const leave of ['destroy', 'resetAndDestroy', 'end'] as const) {
    const client = raw(mounted.port, handshake());
    await until('it is open', () => client.received().includes('101'));
    client.socket[leave]();
    await until(`${leave} is noticed`, () => mounted.gateway.connections() === 0 && seat.sockets() === 0);
  }
  // Gone before the gateway has asked anybody.
  mounted.routes.put({ endpoint: seat.endpoint, holder: STRANGER });
  mounted.routes.onRefresh = async (id) => {
    client.socket.resetAndDestroy();
    await until('it is gone', () => client.closed());
    mounted.routes.put({ endpoint: seat.endpoint, holder: LEARNER });
    return mounted.routes.find(id);
  };
  const client = raw(mounted.port, handshake());
  await until('nothing is left', () => client.closed() && mounted.gateway.connections() === 0);
});

test('frames sent before the answer arrive after it, and a request body is not a request', async () => {
  const frame = Buffer.from([0x81, 0x82, 0, 0, 0, 0, 0x68, 0x69]).toString('latin1');
  const client = raw(mounted.port, handshake() + frame);
  await until('the echo', () => client.received().endsWith('hi'));
  client.socket.destroy();
  const smuggled = raw(
    mounted.port,
    `${handshake(TERMINAL, 'Content-Length: 60\r\n')}GET /ports HTTP/1.1\r\nHost: x\r\n\r\n`,
  );
  await until('an answer', () => smuggled.received() !== '');
  smuggled.socket.destroy();
  assert.ok(seat.seen.every(({ url }) => url === '/terminal'));
});

test('what is no WebSocket handshake is 400', async () => {
  for (const broken of [
    handshake().replace('Version: 13', 'Version: 8'),
    handshake().replace(KEY, 'short'),
    handshake().replace('Upgrade: websocket', 'Upgrade: h2c'),
    handshake().replace('GET', 'POST'),
  ]) {
    const client = raw(mounted.port, broken);
    await until('an answer', () => client.closed());
    assert.match(client.received(), /^HTTP\/1.1 400 /);
  }
});

test('a hundred at once open, echo and close without a trace', async () => {
  const all = await Promise.all(Array.from({ length: 100 }, () => open()));
  assert.equal(mounted.gateway.connections(), 100);
  for (const { socket } of all) socket.send('x');
  await until('all echoes', () => all.every(({ messages }) => messages.length === 1));
  for (const { socket } of all) socket.close();
  await Promise.all(all.map(({ closed }) => closed));
  await until('nothing is left', () => mounted.gateway.connections() === 0 && seat.sockets() === 0);
});
