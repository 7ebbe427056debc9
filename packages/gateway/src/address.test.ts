import assert from 'node:assert/strict';
import { test } from 'node:test';
import { resolveAddress } from './address.ts';

const DOMAIN = 'localhost:8080';
const WS = 'ws-abcd2345';
const at = (host: string, target: string) => resolveAddress(DOMAIN, host, target);
const main = (target: string) => at('localhost:8080', target);
const base = `/debug/proxy/${WS}/vm`;

test('the path base leads to the services of a seat', () => {
  const id = { workshop: WS, seat: 3 };
  const cases: [string, string, string][] = [
    ['/3/terminal', 'terminal', '/terminal'],
    ['/3/terminal/', 'terminal', '/terminal'],
    ['/3/files?path=a', 'files', '/files?path=a'],
    ['/3/files/content?path=../x', 'files', '/files/content?path=../x'],
    ['/3/files/files/content?path=a', 'files', '/files/content?path=a'],
    ['/3/files/files?path=', 'files', '/files?path='],
    ['/3/browser', 'browser', '/'],
    ['/3/browser/a/b?c', 'browser', '/a/b?c'],
    ['/3/browser//evil', 'browser', '/evil'],
    ['/3/preview', 'preview', '/preview'],
  ];
  for (const [target, service, path] of cases) {
    assert.deepEqual(main(base + target), { kind: 'seat', id, service, path }, target);
  }
});

test('the host base is the same without the prefix, on any port', () => {
  const expected = { kind: 'seat', id: { workshop: WS, seat: 1 }, service: 'files', path: '/files?path=a' };
  for (const host of [`${WS}.localhost:8080`, `${WS}.localhost`, `${WS}.LOCALHOST:9`]) {
    assert.deepEqual(at(host, '/vm/1/files?path=a'), expected);
  }
  assert.equal(at(`${WS}.localhost`, '/')?.kind, 'nowhere');
  assert.equal(at(`${WS}.localhost`, `${base}/1/files`)?.kind, 'nowhere');
});

test('a preview is known by its host, whatever the path', () => {
  const expected = { kind: 'preview', id: { workshop: WS, seat: 2 }, port: 5173 };
  for (const target of ['/', `${base}/1/files`, '/api/health']) {
    assert.deepEqual(at(`5173--2--${WS}.localhost:8080`, target), expected);
  }
  const bad = ['0', '65536', '05173', '3001', '3002', '3003'].map((port) => `${port}--2--${WS}.localhost`);
  for (const host of [...bad, `5173--0--${WS}.localhost`, `5173--501--${WS}.localhost`]) {
    assert.equal(at(host, '/')?.kind, 'nowhere', host);
  }
});

test('what is not the gateway’s is left alone', () => {
  assert.equal(main('/'), undefined);
  assert.equal(main('/api/join'), undefined);
  assert.equal(at('example.org', '/vm/1/files'), undefined);
  assert.equal(at(`x${WS}.localhost`, '/vm/1/files'), undefined);
  assert.equal(at(`${WS}.localhost.example.org`, '/vm/1/files'), undefined);
  assert.equal(resolveAddress(undefined, `${WS}.localhost`, '/vm/1/files'), undefined);
});

test('addresses that lead nowhere, or out of a service, are nobody’s', () => {
  for (const rest of [
    '/0/files',
    '/01/files',
    '/501/files',
    '/-1/files',
    '/1/filesystem',
    '/1/terminal/x',
    '/1/tunnel/22',
    '/1/files/../tunnel/22',
    '/1/files/%2e%2e/tunnel/22',
    '/1/files/.%2E/ports',
    '/1/files/..\\ports',
    '/1/files/..',
    '/1',
    '',
  ]) {
    assert.equal(main(base + rest)?.kind, 'nowhere', rest);
  }
  assert.equal(main('/debug/proxy/')?.kind, 'nowhere');
  assert.equal(main('/debug/proxy/ws-ABCD2345/vm/1/files')?.kind, 'nowhere');
});
