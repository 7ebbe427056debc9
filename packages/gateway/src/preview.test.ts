import assert from 'node:assert/strict';
import { createServer, type RequestListener, type Server } from 'node:http';
import { after, before, beforeEach, test } from 'node:test';
import { WebSocket, WebSocketServer } from 'ws';
import { createPreviewOrigins } from './preview-origin.ts';
import {
  type Answer,
  ask,
  bearer,
  LEARNER,
  listen,
  type Mounted,
  makeToken,
  ORIGIN,
  raw,
  SEAT_PATH,
  STRANGER,
  until,
  WORKSHOP,
} from './testing.ts';
import { eachTestMounts, type StandInSeat } from './testing-seat.ts';

let mounted: Mounted;
let seat: StandInSeat;
let learner: Server;
let learnerPort: number;
let onPage: RequestListener;
const sockets = new WebSocketServer({ noServer: true });
const token = makeToken();
const clock = { offsetMs: 0 };

before(async () => {
  learner = createServer((req, res) => onPage(req, res));
  learner.on('upgrade', (req, socket, head) => {
    sockets.handleUpgrade(req, socket, head, (ws) => {
      ws.send(JSON.stringify(req.headers));
      ws.on('message', (data) => ws.send(data));
    });
  });
  learnerPort = await listen(learner);
});
after(() => {
  sockets.close();
  learner.closeAllConnections();
  learner.close();
});
eachTestMounts(
  (...made) => {
    [mounted, seat] = made;
  },
  { clock: () => Date.now() + clock.offsetMs },
);
beforeEach(() => {
  clock.offsetMs = 0;
  onPage = (req, res) => res.end(JSON.stringify({ url: req.url, headers: req.headers }));
});
async function grant(port: unknown = learnerPort, headers = bearer(token)): Promise<Answer> {
  const body = JSON.stringify({ port });
  return ask(mounted.port, `${SEAT_PATH}/preview`, { method: 'POST', headers, body });
}

interface Opened {
  readonly host: string;
  readonly cookie: string;
}

async function openPreview(port = learnerPort): Promise<Opened> {
  const url = new URL(JSON.parse((await grant(port)).body).url);
  const answer = await ask(mounted.port, url.pathname + url.search, { headers: { host: url.host } });
  assert.equal(answer.status, 302);
  return { host: url.host, cookie: (answer.headers['set-cookie']?.[0] ?? '').split(';')[0] as string };
}

function visit({ host, cookie }: Opened, path = '/', headers: Record<string, string> = {}): Promise<Answer> {
  return ask(mounted.port, path, { headers: { host, cookie, ...headers } });
}

test('a ticket opens the preview once, and leaves a clean address and a cookie', async () => {
  const { body, status } = await grant();
  assert.equal(status, 200);
  const url = new URL(JSON.parse(body).url);
  assert.equal(url.host, `${learnerPort}--1--${WORKSHOP}.localhost:${mounted.port}`);
  const take = () => ask(mounted.port, url.pathname + url.search, { headers: { host: url.host } });
  const first = await take();
  assert.equal(first.status, 302);
  assert.equal(first.headers.location, '/');
  const cookie = first.headers['set-cookie']?.[0] ?? '';
  for (const part of ['HttpOnly', 'Secure', 'SameSite=None', 'Partitioned', 'Path=/']) {
    assert.ok(cookie.includes(part), part);
  }
  assert.ok(cookie.startsWith('__Host-') && !cookie.includes('Domain'));
  assert.equal((await take()).status, 401);
});

test('a ticket is good for 30 s, for its own origin, and unchanged', async () => {
  const fresh = async () => new URL(JSON.parse((await grant()).body).url);
  const open = (url: URL, host = url.host) =>
    ask(mounted.port, url.pathname + url.search, { headers: { host } }).then(({ status }) => status);
  const late = await fresh();
  clock.offsetMs = 30_001;
  assert.equal(await open(late), 401);
  clock.offsetMs = 0;
  const url = await fresh();
  assert.equal(await open(url, url.host.replace('--1--', '--2--')), 401);
  const changed = await fresh();
  changed.search = changed.search.slice(0, -2);
  assert.equal(await open(changed), 401);
  changed.search = '';
  assert.equal(await open(changed), 401);
  changed.search = '?ticket=e30.e30';
  assert.equal(await open(changed), 401);
});

test('only a port of the learner’s own is granted, and only with a token', async () => {
  for (const port of [0, 65_536, '5173', null, 1.5, 3001, 3002, 3003]) {
    assert.equal((await grant(port)).status, 400, String(port));
  }
  assert.equal((await grant(5173, {} as never)).status, 401);
  const large = { method: 'POST', headers: bearer(token), body: 'x'.repeat(100_000) };
  assert.equal((await ask(mounted.port, `${SEAT_PATH}/preview`, large)).status, 413);
  const nonsense = { method: 'POST', headers: bearer(token), body: '{' };
  assert.equal((await ask(mounted.port, `${SEAT_PATH}/preview`, nonsense)).status, 400);
});

test('the learner’s server sees a request as from its own localhost', async () => {
  const preview = await openPreview();
  const { body } = await visit(preview, '/a?b=c', {
    cookie: `theme=dark; ${preview.cookie}; login=1`,
    origin: `http://${preview.host}`,
    'x-forwarded-host': 'evil',
    authorization: 'Bearer of-the-learner',
  });
  const seen = JSON.parse(body);
  assert.equal(seen.url, '/a?b=c');
  assert.equal(seen.headers.host, `localhost:${learnerPort}`);
  assert.equal(seen.headers.origin, `http://localhost:${learnerPort}`);
  assert.equal(seen.headers.cookie, 'theme=dark; login=1');
  assert.equal(seen.headers.authorization, 'Bearer of-the-learner');
  assert.equal(seen.headers['x-forwarded-host'], undefined);
  const tunnels = seat.tunnels;
  for (let round = 0; round < 5; round++) await visit(preview);
  assert.equal(seat.tunnels, tunnels);
});

test('tokens of the platform never reach the learner’s server', async () => {
  const preview = await openPreview();
  for (const authorization of [`Bearer ${token}`, `bearer ${makeToken({ exp: 1 })}`, 'Bearer ctk_secret']) {
    const { body } = await visit(preview, '/', { authorization });
    assert.equal(JSON.parse(body).headers.authorization, undefined);
  }
});

test('the browser sees answers as from the preview’s origin', async () => {
  const preview = await openPreview();
  onPage = (_req, res) => {
    res.writeHead(302, {
      Location: `http://localhost:${learnerPort}/next?x`,
      'Set-Cookie': [
        'a=b; Domain=localhost; SameSite=Lax; HttpOnly',
        '__Host-clarateach-preview=stolen; Path=/',
      ],
      'Strict-Transport-Security': 'max-age=1',
      'Clear-Site-Data': '"cookies"',
      'X-Frame-Options': 'DENY',
      'Content-Security-Policy': "default-src 'self'; frame-ancestors 'none'",
      'Access-Control-Allow-Origin': `http://localhost:${learnerPort}`,
    });
    res.end();
  };
  const { headers } = await visit(preview);
  assert.equal(headers.location, `http://${preview.host}/next?x`);
  assert.deepEqual(headers['set-cookie'], ['a=b; HttpOnly; Secure; SameSite=None; Partitioned']);
  assert.equal(headers['content-security-policy'], "default-src 'self'");
  assert.equal(headers['access-control-allow-origin'], `http://${preview.host}`);
  for (const name of ['strict-transport-security', 'clear-site-data', 'x-frame-options']) {
    assert.equal(headers[name], undefined);
  }
});

test('without its cookie, with another’s, or from a foreign page a preview stays closed', async () => {
  const preview = await openPreview();
  assert.equal((await visit({ ...preview, cookie: '' })).status, 401);
  assert.equal((await visit({ ...preview, cookie: `${preview.cookie}x` })).status, 401);
  const other = preview.host.replace(/^\d+/, String(learnerPort + 1));
  assert.equal((await visit({ ...preview, host: other })).status, 401);
  assert.equal((await visit({ ...preview, host: preview.host.replace('--1--', '--2--') })).status, 401);
  assert.equal((await visit(preview, '/', { origin: 'http://evil.example' })).status, 403);
  assert.equal((await visit(preview, '/', { origin: 'null' })).status, 403);
  assert.equal((await visit(preview, '/', { origin: ORIGIN })).status, 200);
  // A path like the platform's own is the learner's here.
  assert.equal(JSON.parse((await visit(preview, `${SEAT_PATH}/files`)).body).url, `${SEAT_PATH}/files`);
});

test('a preview ends with the claim and with the token', async () => {
  const preview = await openPreview();
  mounted.routes.put({ endpoint: seat.endpoint, holder: STRANGER });
  assert.equal((await visit(preview)).status, 403);
  mounted.routes.put({ endpoint: seat.endpoint, holder: LEARNER });
  assert.equal((await visit(preview)).status, 200);
  clock.offsetMs = 3_600_000;
  const { status, body } = await visit(preview, '/', { accept: 'text/html' });
  assert.equal(status, 401);
  assert.match(body, /Open it again from the workspace/);
});

test('a port that nobody listens on shows a page, which learns when somebody does', async () => {
  const spare = createServer((_req, res) => res.end('up'));
  const port = await listen(spare);
  await new Promise((resolve) => spare.close(resolve));
  const preview = await openPreview(port);
  const page = await visit(preview, '/', { accept: 'text/html,*/*' });
  assert.equal(page.status, 503);
  assert.ok(page.body.includes(`Nothing listens on port ${port} yet`));
  assert.match(String(page.headers['content-security-policy']), /default-src 'none'/);
  const json = await visit(preview);
  assert.equal(json.status, 503);
  assert.equal(JSON.parse(json.body).error.code, 'unavailable');
  assert.equal((await visit(preview, '/__clarateach/listening')).body, '{"listening":false}');
  await new Promise<void>((resolve) => spare.listen(port, '127.0.0.1', resolve));
  assert.equal((await visit(preview, '/__clarateach/listening')).body, '{"listening":true}');
  assert.equal((await visit(preview)).body, 'up');
  spare.closeAllConnections();
  await new Promise((resolve) => spare.close(resolve));
});

test('hot reload passes as a WebSocket, and closes with the claim', async () => {
  const preview = await openPreview();
  const url = `ws://127.0.0.1:${mounted.port}/hmr`;
  const headers = { ...preview, origin: `http://${preview.host}` };
  const socket = new WebSocket(url, ['vite-hmr'], { headers });
  const messages: string[] = [];
  socket.on('message', (data) => messages.push(String(data)));
  const closed = new Promise<number>((resolve) => socket.on('close', resolve));
  await until('the greeting', () => messages.length === 1);
  const seen = JSON.parse(messages[0] as string);
  assert.equal(seen.host, `localhost:${learnerPort}`);
  assert.equal(seen.origin, `http://localhost:${learnerPort}`);
  assert.equal(seen.cookie, undefined);
  assert.equal(socket.protocol, 'vite-hmr');
  socket.send('x');
  await until('the echo', () => messages.length === 2);
  mounted.routes.put({ endpoint: seat.endpoint, holder: STRANGER });
  assert.equal(await closed, 4403);
});

test('a WebSocket from a foreign page or without the cookie is refused', async () => {
  const preview = await openPreview();
  const attempt = (headers: Record<string, string>): Promise<number | undefined> =>
    new Promise((resolve) => {
      const socket = new WebSocket(`ws://127.0.0.1:${mounted.port}/`, { headers });
      socket.on('error', () => {});
      socket.on('open', () => resolve(101));
      socket.on('unexpected-response', (_req, res) => {
        res.resume();
        resolve(res.statusCode);
      });
    });
  assert.equal(await attempt({ ...preview, origin: 'http://evil.example' }), 403);
  assert.equal(await attempt({ host: preview.host }), 401);
});

test('server-sent events arrive one by one', async () => {
  const preview = await openPreview();
  let send: (text: string) => void = () => {};
  onPage = (_req, res) => {
    res.writeHead(200, { 'Content-Type': 'text/event-stream' });
    res.flushHeaders();
    send = (text) => void res.write(`data: ${text}\n\n`);
  };
  const client = raw(
    mounted.port,
    `GET /events HTTP/1.1\r\nHost: ${preview.host}\r\nCookie: ${preview.cookie}\r\n\r\n`,
  );
  await until('the head', () => client.received().includes('text/event-stream'));
  for (const text of ['one', 'two']) {
    send(text);
    await until(text, () => client.received().includes(`data: ${text}`));
  }
  client.socket.destroy();
});

test('origins and cookies are translated for https and plain hosts alike', () => {
  const id = { workshop: WORKSHOP, seat: 1 };
  const tls = createPreviewOrigins(() => 'class.example', 'https');
  assert.equal(tls.origin(id, 80), `https://80--1--${WORKSHOP}.class.example`);
  assert.match(tls.ownCookie('x'), /^__Host-.*Secure; SameSite=None; Partitioned$/);
  assert.equal(tls.toLocal(id, `https://3000--1--${WORKSHOP}.class.example`), 'http://localhost:3000');
  assert.equal(tls.toLocal(id, `https://3000--2--${WORKSHOP}.class.example`), undefined);
  assert.equal(tls.toLocal(id, 'https://class.example'), undefined);
  assert.equal(tls.toPublic(id, 'http://localhost.evil:80/'), 'http://localhost.evil:80/');
  const plain = createPreviewOrigins(() => '10.0.0.5.nip.io:8080', 'http');
  assert.match(plain.ownCookie('x'), /^clarateach-preview=x; Path=\/; HttpOnly; SameSite=Lax$/);
  assert.equal(plain.learnerCookie('a=b; domain=.nip.io; Path=/'), 'a=b; Path=/');
});
