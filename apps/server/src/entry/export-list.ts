import { spacedAccessCode } from '@clarateach/contract/codes';
import type { Question, RegistrationView } from '@clarateach/contract/entry';

/** The list as CSV (RFC 4180) with a byte order mark, so that spreadsheets take it for UTF-8. */
export function exportList(
  registrations: readonly RegistrationView[],
  questions: readonly Question[],
): string {
  // Answers to what is asked no longer are kept, too.
  const labels = new Set([
    ...questions.map(({ label }) => label),
    ...registrations.flatMap(({ answers }) => Object.keys(answers)),
  ]);
  const rows = registrations.map((each) => [
    each.name,
    each.email ?? '',
    spacedAccessCode(each.accessCode),
    each.state,
    each.place ?? '',
    each.source,
    each.registeredAt,
    each.cameAt ?? '',
    each.seat ?? '',
    ...Array.from(labels, (label) => each.answers[label] ?? ''),
  ]);
  const head = [
    'name',
    'email',
    'access code',
    'state',
    'waiting place',
    'source',
    'registered',
    'came',
    'seat',
    ...labels,
  ];
  return `\uFEFF${[head, ...rows].map((cells) => `${cells.map(cell).join(',')}\r\n`).join('')}`;
}

/** A spreadsheet runs what begins like a formula, and learners type their own names. */
const FORMULA = /^\s*[=+\-@\t\r|%]/;

function cell(value: string | number): string {
  const text = typeof value === 'string' && FORMULA.test(value) ? `'${value}` : String(value);
  return /[",\r\n']/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
