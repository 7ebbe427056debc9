import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ApiError, readErrorBody, responseError } from './api-error.ts';

test('an error body of the contract keeps code, request id and every field that is wrong', () => {
  const body = { code: 'invalid_input', message: 'Too few.', requestId: 'r1', field: 'seats' };
  const seats = { field: 'seats', message: 'Too few.' };
  const error = readErrorBody({ error: body }, 400);
  assert.ok(error instanceof ApiError);
  assert.deepEqual(
    [error.code, error.message, error.problems, error.requestId, error.status],
    ['invalid_input', 'Too few.', [seats], 'r1', 400],
  );
  const problems = [seats, { field: 'name', message: 'Give a name.' }];
  assert.deepEqual(readErrorBody({ error: { ...body, problems } }, 400)?.problems, problems);
});

test('a body of somebody else is not taken for ours', () => {
  assert.equal(readErrorBody('<html>', 502), undefined);
  assert.equal(readErrorBody({ error: 'no' }, 500), undefined);
  assert.equal(readErrorBody(null, 500), undefined);
});

test('Retry-After fills in for a body that does not say when', async () => {
  const error = await responseError(
    Response.json(
      { error: { code: 'too_many_attempts', message: 'Slow down.', requestId: 'r' } },
      { status: 429, headers: { 'Retry-After': '30' } },
    ),
  );
  assert.equal(error.retryAfterSeconds, 30);
});

test('a page of a proxy becomes an unknown error with its status', async () => {
  const error = await responseError(new Response('<h1>Bad gateway</h1>', { status: 502 }));
  assert.deepEqual([error.code, error.status], ['unknown', 502]);
});
