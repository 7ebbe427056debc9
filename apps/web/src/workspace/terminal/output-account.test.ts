import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OutputAccount } from './output-account.ts';

const MIB = 1024 * 1024;

test('a reconnect asks for exactly the bytes that have not arrived', () => {
  const account = new OutputAccount();
  account.ready(0, MIB);
  account.arrived(1000);
  account.arrived(24);
  assert.equal(account.received, 1024);
  assert.equal(account.ready(1024, MIB).screen, 'continue');
});

test('a first attach to an old shell starts at what is kept, on a blank screen', () => {
  const account = new OutputAccount();
  assert.equal(account.ready(5_000_000, MIB).screen, 'continue');
  account.arrived(10);
  assert.equal(account.received, 5_000_010);
});

test('an offset ahead of ours, or behind it, asks for a cleared screen', () => {
  for (const [offset, screen] of [
    [9_000, 'redraw'],
    [3, 'other-shell'],
  ] as const) {
    const account = new OutputAccount();
    account.ready(0, MIB);
    account.arrived(100);
    assert.equal(account.ready(offset, MIB).screen, screen);
    assert.equal(account.received, offset);
  }
});

test('acknowledgements go out at 64 KiB and cover all that was parsed', () => {
  const account = new OutputAccount();
  const { connection } = account.ready(0, MIB);
  let acknowledged = 0;
  let acknowledgements = 0;
  for (let sent = 0; sent < MIB; sent += 10_000) {
    const bytes = account.parsed(connection, 10_000);
    acknowledged += bytes;
    if (bytes > 0) acknowledgements += 1;
  }
  assert.equal(acknowledgements, 15);
  assert.equal(acknowledged, 15 * 70_000);
});

test('a small window is acknowledged before it is full', () => {
  const account = new OutputAccount();
  const { connection } = account.ready(0, 8_000);
  assert.equal(account.parsed(connection, 999), 0);
  assert.equal(account.parsed(connection, 1), 1000);
});

test('bytes of an earlier connection are not acknowledged on the next', () => {
  const account = new OutputAccount();
  const first = account.ready(0, MIB).connection;
  account.arrived(200_000);
  const second = account.ready(200_000, MIB).connection;
  assert.equal(account.parsed(first, 200_000), 0);
  assert.equal(account.parsed(second, 65_536), 65_536);
});
