import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PublicError } from '@clarateach/contract/errors';
import { duplicatesOf, readList } from './import-list.ts';

const names = (csv: string) => readList(csv, []).people.map(({ name, email }) => [name, email]);

test('a list is read with and without a first line that names the columns', () => {
  const expected = [
    ['Ada Lovelace', 'ada@example.org'],
    ['Alan', null],
  ];
  assert.deepEqual(names('Ada Lovelace,Ada@Example.org\nAlan,\n'), expected);
  assert.deepEqual(names('E-mail,Name\r\nAda@Example.org,Ada Lovelace\r\n,Alan\r\n'), expected);
  assert.deepEqual(names('\uFEFFname;email\nAda Lovelace;ada@example.org\nAlan;\n'), expected);
  assert.deepEqual(names('name\temail\nAda Lovelace\tada@example.org\n\nAlan\t\n'), expected);
  assert.deepEqual(names('Ada Lovelace,ada@example.org\nAlan'), expected);
});

test('quotes keep commas, quotation marks and line breaks, and lines are counted as an editor counts them', () => {
  const { people, problems } = readList(
    'name,email,Note\n"Lovelace, ""Ada""",ada@example.org,"one\ntwo"\n\nBob,not an address,\n,nobody@example.org,\n',
    [],
  );
  assert.deepEqual(
    people.map(({ name, line, answers }) => [name, line, answers]),
    [['Lovelace, "Ada"', 2, { Note: 'one\ntwo' }]],
  );
  assert.deepEqual(problems, [
    { line: 5, problem: '"not an address" is not an e-mail address.' },
    { line: 6, problem: 'The name is missing.' },
  ]);
});

test('a column that is one of the questions counts as its answer, in any letter case', () => {
  const [person] = readList('name,team\nAda,Blue', [{ label: 'Team', required: true }]).people;
  assert.deepEqual(person?.answers, { Team: 'Blue' });
});

test('a line with more columns than are named is wrong, and the rest is read', () => {
  const { people, problems } = readList('name,email\nLovelace, Ada,ada@example.org\nAlan,', []);
  assert.deepEqual(
    people.map(({ name }) => name),
    ['Alan'],
  );
  assert.equal(problems[0]?.line, 2);
});

test('what is no list is refused with the field and the remedy', () => {
  for (const csv of ['', '\n\n', 'email\nada@example.org', 'name,email\n', 'name\n"Ada']) {
    assert.throws(
      () => readList(csv, []),
      (error: unknown) =>
        error instanceof PublicError && error.code === 'invalid_input' && error.field === 'csv',
      JSON.stringify(csv),
    );
  }
});

test('who stands there twice, or is registered already, is named with the line', () => {
  const { people } = readList('Ada,ada@x.org\nAda L,ADA@x.org\nBob,\nbob,\nEve,eve@x.org\nZoe,zoe@x.org', []);
  const { fresh, problems } = duplicatesOf(people, [
    { name: 'Eve', email: 'eve@x.org', state: 'confirmed' },
    { name: 'Zoe', email: 'zoe@x.org', state: 'cancelled' },
  ]);
  assert.deepEqual(
    fresh.map(({ name }) => name),
    ['Ada', 'Bob', 'Zoe'],
  );
  assert.deepEqual(
    problems.map(({ line, problem }) => [line, problem.split('.')[0]]),
    [
      [2, 'ada@x'],
      [4, 'bob stands on line 3 already'],
      [5, 'eve@x'],
    ],
  );
});
