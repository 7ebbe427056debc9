import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RegistrationView } from '@clarateach/contract/entry';
import { parse } from 'csv-parse/sync';
import { exportList } from './export-list.ts';
import { readList } from './import-list.ts';

const registration = (name: string, answers: Record<string, string> = {}): RegistrationView => ({
  id: 'r1',
  name,
  email: 'ada@example.org',
  answers,
  source: 'self',
  state: 'confirmed',
  place: null,
  accessCode: 'ABCDEFGHJK',
  registeredAt: '2026-03-01T10:00:00.000Z',
  cameAt: null,
  seat: 3,
});

const rowsOf = (csv: string) => parse(csv, { bom: true }) as unknown as string[][];

test('what learners typed comes back cell by cell', () => {
  const csv = exportList(
    [registration('Lovelace, "Ada"', { Team: 'a\nb', Old: 'kept' })],
    [{ label: 'Team', required: false }],
  );
  assert.ok(csv.startsWith('\uFEFFname,email,access code,state'));
  const [head, row] = rowsOf(csv);
  assert.deepEqual(head?.slice(-3), ['seat', 'Team', 'Old']);
  assert.deepEqual(row, [
    'Lovelace, "Ada"',
    'ada@example.org',
    'ABCDE-FGHJK',
    'confirmed',
    '',
    'self',
    '2026-03-01T10:00:00.000Z',
    '',
    '3',
    'a\nb',
    'kept',
  ]);
});

test('no cell is a formula to a spreadsheet', () => {
  const attacks = ['=1+1', '+1', '-1', '@SUM(A1)', '\t=1', '  =1', '\r=1', '|cmd', '=HYPERLINK("http://x")'];
  const csv = exportList(
    attacks.map((name) => registration(name, { [name]: name })),
    [],
  );
  for (const cell of rowsOf(csv).slice(1).flat()) assert.doesNotMatch(cell, /^\s*[=+\-@|]/);
});

test('a question that is a formula is none in the first line either', () => {
  const [head] = rowsOf(exportList([], [{ label: '=1+1', required: false }]));
  assert.equal(head?.at(-1), "'=1+1");
});

test('what was exported can be imported', () => {
  const { people, problems } = readList(exportList([registration('Ada', { Team: 'Blue' })], []), []);
  assert.deepEqual(problems, []);
  assert.deepEqual(
    people.map(({ name, email, answers }) => [name, email, answers]),
    [['Ada', 'ada@example.org', { Team: 'Blue' }]],
  );
});
