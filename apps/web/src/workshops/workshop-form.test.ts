import assert from 'node:assert/strict';
import { test } from 'node:test';
import { emptyForm, requestOf } from './workshop-form.ts';

test('empty optional fields are left to the server', () => {
  assert.deepEqual(requestOf({ ...emptyForm, name: 'Class', code: '  ' }), {
    name: 'Class',
    seats: 10,
    ttlMinutes: 240,
    start: true,
  });
});

test('what is typed is sent, and no number of seats is sent as none', () => {
  const body = requestOf({
    ...emptyForm,
    name: 'Class',
    seats: 'ten',
    runtime: 'docker',
    code: ' spring-24 ',
    apiKey: ' sk-12345678 ',
  });
  assert.equal(body.seats, 0);
  assert.equal(body.runtime, 'docker');
  assert.equal(body.code, 'spring-24');
  assert.equal(body.apiKey, 'sk-12345678');
});
