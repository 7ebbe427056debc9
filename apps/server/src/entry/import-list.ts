import { answers, type ImportProblem, type Question, registrantEmail } from '@clarateach/contract/entry';
import { PublicError } from '@clarateach/contract/errors';
import { learnerName } from '@clarateach/contract/learner-name';
import { CsvError, parse } from 'csv-parse/sync';
import type { Registrant, RegistrationRow } from './store.ts';

/** Somebody on a list, with the line they stand on. */
export interface ListedPerson extends Registrant {
  readonly line: number;
}

interface ReadList {
  readonly people: readonly ListedPerson[];
  readonly problems: readonly ImportProblem[];
}

const NAME_COLUMN = /^(full |first )?name$/i;
const EMAIL_COLUMN = /^(e-?mail|mail)( address)?$/i;
/** Columns of our own export that say nothing of a person. */
const EXPORTED = /^(access code|state|waiting place|source|registered|came|seat)$/i;

interface Line {
  readonly cells: readonly string[];
  readonly line: number;
}

/** Reads a list of people. Throws `invalid_input` of `csv` where it is no table with a column of names. */
export function readList(csv: string, questions: readonly Question[]): ReadList {
  const [first, ...rest] = linesOf(csv);
  if (!first) throw wrongList('The list is empty. Give one person a line: name, e-mail address.');
  const named = first.cells.some((cell) => NAME_COLUMN.test(cell) || EMAIL_COLUMN.test(cell));
  const columns = named ? first.cells : ['name', 'email'];
  const lines = named ? rest : [first, ...rest];
  if (lines.length === 0) throw wrongList('The list names columns and nobody. Give one person a line.');
  const name = columns.findIndex((column) => NAME_COLUMN.test(column));
  const email = columns.findIndex((column) => EMAIL_COLUMN.test(column));
  if (name < 0)
    throw wrongList('The first line names no column "name". Add it, so that people can be told apart.');

  const others = columns.flatMap((column, index) =>
    index === name || index === email || column === '' || EXPORTED.test(column)
      ? []
      : [{ index, label: labelOf(column, questions) }],
  );
  const people: ListedPerson[] = [];
  const problems: ImportProblem[] = [];
  for (const { cells, line } of lines) {
    const problem = (text: string) => problems.push({ line, problem: text });
    if (cells.length > columns.length) {
      problem(
        `There are ${cells.length} columns where ${columns.length} are named. Put quotes around what holds a comma.`,
      );
      continue;
    }
    const read = {
      name: learnerName.safeParse(cells[name] ?? ''),
      email: registrantEmail.safeParse(email < 0 ? '' : (cells[email] ?? '')),
      answers: answers.safeParse(
        Object.fromEntries(
          others.flatMap(({ index, label }) => (cells[index] ? [[label, cells[index]] as const] : [])),
        ),
      ),
    };
    if (!read.name.success)
      problem((cells[name] ?? '').trim() === '' ? 'The name is missing.' : firstOf(read.name));
    else if (!read.email.success) problem(`"${cells[email]}" is not an e-mail address.`);
    else if (!read.answers.success) problem(firstOf(read.answers));
    else people.push({ line, name: read.name.data, email: read.email.data, answers: read.answers.data });
  }
  return { people, problems };
}

/** Who is new, and who stands on the list twice or is registered already. */
export function duplicatesOf(
  people: readonly ListedPerson[],
  known: readonly Pick<RegistrationRow, 'name' | 'email' | 'state'>[],
): { readonly fresh: readonly ListedPerson[]; readonly problems: readonly ImportProblem[] } {
  const registered = new Set(known.filter(({ state }) => state !== 'cancelled').map(identityOf));
  const lineOf = new Map<string, number>();
  const problems: ImportProblem[] = [];
  const fresh = people.filter((person) => {
    const identity = identityOf(person);
    const earlier = lineOf.get(identity);
    const who = person.email ?? person.name;
    if (earlier !== undefined) {
      problems.push({
        line: person.line,
        problem: `${who} stands on line ${earlier} already.${person.email === null ? ' Add e-mail addresses to tell people of one name apart.' : ''}`,
      });
      return false;
    }
    lineOf.set(identity, person.line);
    if (!registered.has(identity)) return true;
    problems.push({ line: person.line, problem: `${who} is registered already.` });
    return false;
  });
  return { fresh, problems };
}

function identityOf({ name, email }: Pick<Registrant, 'name' | 'email'>): string {
  return email ?? `name ${name.toLowerCase()}`;
}

function linesOf(csv: string): Line[] {
  const text = csv.replace(/^\uFEFF/, '');
  try {
    const rows = parse(text, {
      delimiter: delimiterOf(text),
      info: true,
      relax_column_count: true,
      skip_empty_lines: true,
      skip_records_with_empty_values: true,
      trim: true,
    }) as unknown as { record: string[]; info: { lines: number } }[];
    return rows.map(({ record, info }) => ({
      cells: record,
      // A quoted cell may hold line breaks: the person begins where the record does.
      line: info.lines - record.join('').split('\n').length + 1,
    }));
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    const line = (error as unknown as { lines?: number }).lines;
    throw wrongList(
      `The list cannot be read${line === undefined ? '' : ` from line ${line} on`}: a quotation mark is opened and not closed, or stands in the middle of a cell. Nothing was imported.`,
      error,
    );
  }
}

/** The one that the first line has most of; spreadsheets of many countries write semicolons. */
function delimiterOf(text: string): string {
  const first = (text.split(/\r?\n/, 1)[0] ?? '').replace(/"[^"]*"/g, '');
  const counted = [',', ';', '\t'].map((delimiter) => ({ delimiter, count: first.split(delimiter).length }));
  return counted.reduce((best, each) => (each.count > best.count ? each : best)).delimiter;
}

/** A column that asks what the workshop asks counts as its answer. */
function labelOf(column: string, questions: readonly Question[]): string {
  return questions.find(({ label }) => label.toLowerCase() === column.toLowerCase())?.label ?? column;
}

function firstOf(failed: {
  readonly error: { readonly issues: readonly { readonly message: string }[] };
}): string {
  return failed.error.issues[0]?.message ?? 'This line cannot be read.';
}

function wrongList(message: string, cause?: unknown): PublicError {
  return new PublicError('invalid_input', message, { field: 'csv', cause });
}
