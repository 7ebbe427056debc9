import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ApiError } from '../api/api-error.ts';
import { formErrors } from './form-errors.ts';

const fields = ['name', 'seats', 'questions', 'questions.1.label'] as const;
const wrong = (problems: Readonly<Record<string, string>>) =>
  new ApiError('invalid_input', 'First.', {
    problems: Object.entries(problems).map(([field, message]) => ({ field, message })),
  });

test('every field that the server names gets its own message', () => {
  assert.deepEqual(formErrors(wrong({ name: 'Give a name.', seats: 'At most 100.' }), fields), {
    fields: { name: 'Give a name.', seats: 'At most 100.' },
    other: undefined,
  });
});

test('what is wrong inside a field goes to the innermost that the form shows', () => {
  assert.deepEqual(
    formErrors(wrong({ 'questions.0.label': 'Empty.', 'questions.1.label': 'Too long.' }), fields).fields,
    { questions: 'Empty.', 'questions.1.label': 'Too long.' },
  );
  assert.deepEqual(formErrors(wrong({ names: 'Another field.' }), fields).fields, {});
});

test('what belongs to no field of the form is told below it, beside the fields', () => {
  assert.deepEqual(formErrors(wrong({ image: 'Odd.', name: 'Give a name.', ttl: 'Long.' }), fields), {
    fields: { name: 'Give a name.' },
    other: 'Odd. Long.',
  });
  assert.deepEqual(formErrors(new ApiError('conflict', 'Not now.'), fields), {
    fields: {},
    other: 'Not now.',
  });
  assert.deepEqual(formErrors(null, fields), { fields: {}, other: undefined });
});

test('what the form knows to be missing is told with what the server found, and not when it was not reached', () => {
  const missing = { seats: 'Say how many.', name: 'Needed.' };
  assert.deepEqual(formErrors(wrong({ name: 'Give a name.' }), fields, missing).fields, {
    name: 'Give a name.',
    seats: 'Say how many.',
  });
  assert.deepEqual(formErrors(new ApiError('offline', 'Away.'), fields, missing), {
    fields: {},
    other: 'Away.',
  });
  assert.deepEqual(formErrors(null, fields, missing).fields, {});
});
