import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ApiError } from '../../api/api-error.ts';
import type { FileUpload } from './dropped-files.ts';
import { nameOf, parentOf } from './file-path.ts';
import type { SeatFiles } from './seat-files.ts';
import { type TakenChoice, uploadFiles } from './upload.ts';

/** A seat's files in memory; directories are what paths have before their last name. */
function seat(initial: Record<string, string>) {
  const disk = new Map(Object.entries(initial));
  const directories = new Set(['']);
  for (const path of disk.keys()) directories.add(parentOf(path));
  const files: SeatFiles = {
    async list(directory) {
      if (!directories.has(directory)) throw new ApiError('not_found', 'Gone.', { status: 404 });
      const below = (paths: Iterable<string>, type: 'file' | 'directory') =>
        [...paths]
          .filter((path) => path !== '' && parentOf(path) === directory)
          .map((path) => ({ name: nameOf(path), type, size: 1, mtimeMs: 0, mode: 0o644 }));
      return [...below(disk.keys(), 'file'), ...below(directories, 'directory')];
    },
    async read() {
      throw new Error('Nothing is read.');
    },
    async write(path, body, condition) {
      if (directories.has(path)) throw new ApiError('invalid_input', 'It is a folder.', { status: 400 });
      if (condition === 'create' && disk.has(path)) {
        throw new ApiError('precondition_failed', 'Exists.', { status: 412 });
      }
      disk.set(path, await (body as File).text());
      return '"1"';
    },
    async remove() {},
    async makeDirectory(path) {
      if (directories.has(path)) throw new ApiError('already_exists', 'Exists.', { status: 409 });
      directories.add(path);
    },
    async move() {},
    async download() {
      return new Blob();
    },
  };
  return { files, disk, held: () => Object.fromEntries(disk) };
}

const uploads = (...paths: string[]): FileUpload[] =>
  paths.map((path) => ({ path, file: new File([`new ${path}`], nameOf(path)) }));

/** Answers what is asked with one choice after another. */
function person(...choices: TakenChoice[]) {
  const asked: string[][] = [];
  const written: string[] = [];
  return {
    asked,
    written,
    onWritten: (path: string) => void written.push(path),
    ask: async (taken: readonly string[]) => {
      asked.push([...taken]);
      return choices.shift() ?? assert.fail(`asked once too often: ${taken}`);
    },
  };
}

test('an upload of new files asks nothing, and makes the folders of a dropped one', async () => {
  const { files, held } = seat({});
  const { asked, written, ...parts } = person();
  await uploadFiles({ files, ...parts }, 'd', uploads('p/q/a.py', 'p/b.py'));
  assert.deepEqual(asked, []);
  assert.deepEqual(written, ['d/p/q/a.py', 'd/p/b.py']);
  assert.deepEqual(held(), { 'd/p/q/a.py': 'new p/q/a.py', 'd/p/b.py': 'new p/b.py' });
});

test('taken names are asked for together, before anything is written', async () => {
  const before = { 'src/main.py': 'mine', 'src/lib/a.py': 'mine', 'other.py': 'mine' };
  for (const [choice, expected] of [
    ['cancel', before],
    ['skip', { ...before, 'src/new.py': 'new new.py' }],
    [
      'replace',
      { ...before, 'src/main.py': 'new main.py', 'src/lib/a.py': 'new lib/a.py', 'src/new.py': 'new new.py' },
    ],
    [
      'both',
      {
        ...before,
        'src/main (2).py': 'new main.py',
        'src/lib/a (2).py': 'new lib/a.py',
        'src/new.py': 'new new.py',
      },
    ],
  ] as const) {
    const { files, held } = seat(before);
    const { asked, ...parts } = person(choice);
    await uploadFiles({ files, ...parts }, 'src', uploads('new.py', 'main.py', 'lib/a.py'));
    assert.deepEqual(asked, [['main.py', 'lib/a.py']]);
    assert.deepEqual(held(), expected, choice);
  }
});

test('a name that is taken while the others are written is asked for by itself', async () => {
  const { files, disk, held } = seat({});
  const list = files.list;
  files.list = async (directory) => {
    const entries = await list(directory);
    disk.set('b', 'of claude');
    return entries;
  };
  const { asked, ...parts } = person('replace');
  await uploadFiles({ files, ...parts }, '', uploads('a', 'b'));
  assert.deepEqual(asked, [['b']]);
  assert.deepEqual(held(), { a: 'new a', b: 'new b' });
});

test('keeping both takes the first number that is free, and leaves names without an extension alone', async () => {
  const { files, held } = seat({ 'a.tar': '', 'a (2).tar': '', Makefile: '', '.env': '' });
  const { written, ...parts } = person('both');
  await uploadFiles({ files, ...parts }, '', uploads('a.tar', 'Makefile', '.env'));
  assert.deepEqual(written, ['a (3).tar', 'Makefile (2)', '.env (2)']);
  assert.equal(held()['a.tar'], '');
});

test('a failure is the caller’s, with nothing replaced before it', async () => {
  const { files, held } = seat({ a: 'mine' });
  files.list = async () => {
    throw new ApiError('offline', 'Away.');
  };
  await assert.rejects(uploadFiles({ files, ...person() }, '', uploads('a')), { code: 'offline' });
  assert.deepEqual(held(), { a: 'mine' });
});

test('a folder that has the name of an upload stays, and the upload is put beside it', async () => {
  const { files, held } = seat({ 'notes/a.txt': 'kept' });
  const { ask, onWritten, written } = person('replace');
  await uploadFiles({ files, ask, onWritten }, '', uploads('notes', 'b.txt'));
  assert.deepEqual(written, ['notes (2)', 'b.txt']);
  assert.deepEqual(held(), { 'notes/a.txt': 'kept', 'notes (2)': 'new notes', 'b.txt': 'new b.txt' });
});
