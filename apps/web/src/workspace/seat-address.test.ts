import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seatBase, socketUrl } from './seat-address.ts';

test('a seat is found under the own server and under a host of its own', () => {
  const own = seatBase(
    { endpoint: '/debug/proxy/ws-abcd1234', seat: 3 },
    'http://localhost:8080/w/ws-abcd1234',
  );
  assert.equal(own, 'http://localhost:8080/debug/proxy/ws-abcd1234/vm/3');
  assert.equal(socketUrl(own, '/terminal'), 'ws://localhost:8080/debug/proxy/ws-abcd1234/vm/3/terminal');
  const host = seatBase({ endpoint: 'https://ws-abcd1234.example.org/', seat: 12 }, 'https://example.org/');
  assert.equal(socketUrl(host, '/terminal'), 'wss://ws-abcd1234.example.org/vm/12/terminal');
});
