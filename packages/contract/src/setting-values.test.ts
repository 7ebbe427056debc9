import assert from 'node:assert/strict';
import { test } from 'node:test';
import { host, list, origin, wholeNumber } from './setting-values.ts';

test('a host is an address of either kind or a name', () => {
  for (const value of ['127.0.0.1', '::', '::1', 'fd00:ec2::254', 'teach.example.org', 'localhost']) {
    assert.equal(host(value), value);
  }
  for (const value of ['not a host', ':::', '[::1]', 'http://localhost', 'a/b', '-']) {
    assert.throws(() => host(value), /such as 127\.0\.0\.1/);
  }
});

test('an origin has nothing after its port, and a password in it is not repeated', () => {
  assert.equal(origin('https://Teach.example.org/'), 'https://teach.example.org');
  assert.throws(
    () => origin('https://ada:secret@teach.example.org'),
    (error: Error) => {
      assert.match(error.message, /\/\/…@teach/);
      return !error.message.includes('secret');
    },
  );
  for (const value of ['teach.example.org', 'ftp://example.org', 'https://example.org/path']) {
    assert.throws(() => origin(value), /such as https:/);
  }
});

test('items stand between commas, and a number in its range', () => {
  assert.deepEqual(list(' a, ,b,'), ['a', 'b']);
  const seats = wholeNumber({ least: 1, most: 50, what: 'how many seats' });
  assert.equal(seats('50'), 50);
  for (const value of ['0', '51', '1.5', '-1', '1e1', 'many']) {
    assert.throws(() => seats(value), /Give how many seats: a whole number from 1 to 50\./);
  }
});
