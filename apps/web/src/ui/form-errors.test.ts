import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ApiError } from '../api/api-error.ts';
import { formErrors } from './form-errors.ts';

const fields = ['name', 'seats', 'code'] as const;

test('an error goes to the field that the server names', () => {
  for (const field of ['seats', 'body.seats']) {
    const error = new ApiError('invalid_input', 'At most 100.', { field });
    assert.deepEqual(formErrors(error, fields), { fields: { seats: 'At most 100.' }, other: undefined });
  }
});

test('a taken code is an error of the code field, named or not', () => {
  assert.deepEqual(formErrors(new ApiError('code_taken', 'Taken.'), fields).fields, { code: 'Taken.' });
});

test('what belongs to no field of the form is told below it', () => {
  const error = new ApiError('invalid_input', 'Odd.', { field: 'image' });
  assert.deepEqual(formErrors(error, fields), { fields: {}, other: 'Odd.' });
  assert.deepEqual(formErrors(null, fields), { fields: {}, other: undefined });
});
