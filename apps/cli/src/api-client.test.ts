import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ORPCError } from '@orpc/client';
import { describeApiError } from './api-client.ts';
import { UsageError } from './errors.ts';

const address = { url: 'http://localhost:8080', token: undefined };
const refusal = (data: object) => new ORPCError('invalid_input', { status: 400, message: 'Too few.', data });

test('every field that the server finds wrong is told, on a line of its own', () => {
  const problems = [
    { field: 'seats', message: 'Too few.' },
    { field: 'name', message: 'Give a name.' },
  ];
  const several = describeApiError(refusal({ field: 'seats', problems }), address);
  assert.ok(several instanceof UsageError);
  assert.equal(several.message, 'seats: Too few.\nname: Give a name.');
  assert.equal(describeApiError(refusal({ field: 'seats' }), address).message, 'seats: Too few.');
  assert.equal(describeApiError(refusal({}), address).message, 'Too few.');
});
