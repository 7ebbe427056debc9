import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ApiError } from '../../api/api-error.ts';
import type { SeatFiles } from '../files/seat-files.ts';
import { classify } from './file-kind.ts';
import { isDirty, MAX_EDITOR_BYTES } from './open-file.ts';
import { OpenFiles } from './open-files.ts';

/** A seat's files in memory, with versions and the conditions of WIRE.md. */
function seat(initial: Record<string, string>) {
  const disk = new Map(Object.entries(initial).map(([path, text]) => [path, { text, version: 1 }]));
  const etag = (path: string) => `"${disk.get(path)?.version}"`;
  const files: SeatFiles = {
    async list() {
      return [];
    },
    async read(path) {
      const file = disk.get(path);
      if (!file) throw new ApiError('not_found', 'Gone.', { status: 404 });
      return { bytes: new TextEncoder().encode(file.text), etag: etag(path) };
    },
    async write(path, body, condition) {
      const file = disk.get(path);
      if (condition === 'create' && file)
        throw new ApiError('precondition_failed', 'Exists.', { status: 412 });
      if (typeof condition === 'object' && (!file || condition.ifMatch !== etag(path))) {
        throw new ApiError('precondition_failed', 'Changed.', { status: 412 });
      }
      disk.set(path, { text: String(body), version: (file?.version ?? 0) + 1 });
      return etag(path);
    },
    async remove() {},
    async makeDirectory() {},
    async move(from, to) {
      const file = disk.get(from);
      if (!file) throw new ApiError('not_found', 'Gone.', { status: 404 });
      disk.delete(from);
      disk.set(to, file);
    },
    async download() {
      return new Blob();
    },
  };
  /** Answers that are held back on their way, until they are let go. */
  const hold = (verb: 'read' | 'write', when: 'before' | 'after' = 'after') => {
    const original = files[verb].bind(files) as (...args: unknown[]) => Promise<unknown>;
    const gate = Promise.withResolvers<void>();
    let calls = 0;
    const held = async (...args: unknown[]) => {
      calls += 1;
      if (when === 'before') await gate.promise;
      const answer = original(...args);
      await answer.catch(() => undefined);
      await gate.promise;
      return answer;
    };
    Object.assign(files, { [verb]: held });
    return { release: gate.resolve, calls: () => calls };
  };
  return {
    hold,
    files,
    text: (path: string) => disk.get(path)?.text,
    change: (path: string, text: string) =>
      disk.set(path, { text, version: (disk.get(path)?.version ?? 0) + 1 }),
    remove: (path: string) => disk.delete(path),
  };
}

const settled = () => new Promise<void>((resolve) => setImmediate(resolve));

const text = (open: OpenFiles, path: string) => {
  const file = open.find(path);
  assert.equal(file?.kind, 'text');
  return file as Extract<typeof file, { kind: 'text' }>;
};

test('an edited file is dirty until it is saved', async () => {
  const disk = seat({ 'a.py': 'one' });
  const open = new OpenFiles(disk.files);
  await open.open('a.py');
  assert.equal(isDirty(text(open, 'a.py')), false);
  open.edit('a.py', 'two');
  assert.equal(isDirty(text(open, 'a.py')), true);
  await open.save('a.py');
  assert.equal(isDirty(text(open, 'a.py')), false);
  assert.equal(disk.text('a.py'), 'two');
  open.edit('a.py', 'three');
  await open.save('a.py');
  assert.equal(disk.text('a.py'), 'three');
});

test('a save over another version changes nothing and asks', async () => {
  const disk = seat({ a: 'one' });
  const open = new OpenFiles(disk.files);
  await open.open('a');
  open.edit('a', 'mine');
  disk.change('a', 'theirs');
  await open.save('a');
  assert.equal(disk.text('a'), 'theirs');
  assert.equal(text(open, 'a').conflict, true);
  assert.equal(await open.diskText('a'), 'theirs');
  await open.overwrite('a');
  assert.equal(disk.text('a'), 'mine');
  assert.equal(text(open, 'a').conflict, false);
});

test('reloading in a conflict takes the version of the seat', async () => {
  const disk = seat({ a: 'one' });
  const open = new OpenFiles(disk.files);
  await open.open('a');
  open.edit('a', 'mine');
  disk.change('a', 'theirs');
  await open.save('a');
  await open.reload('a');
  assert.equal(text(open, 'a').text, 'theirs');
  assert.equal(isDirty(text(open, 'a')), false);
});

test('a reload that cannot be read keeps the edits and says why; one of a deleted file says that it is', async () => {
  const disk = seat({ a: 'one' });
  const { read } = disk.files;
  const open = new OpenFiles(disk.files);
  await open.open('a');
  open.edit('a', 'mine');
  disk.files.read = async () => {
    throw new ApiError('offline', 'Away.');
  };
  await assert.rejects(open.reload('a'), { code: 'offline' });
  assert.equal(text(open, 'a').text, 'mine');
  assert.equal(isDirty(text(open, 'a')), true);
  disk.files.read = read;
  disk.remove('a');
  await open.reload('a');
  assert.equal(text(open, 'a').text, 'mine');
  assert.equal(text(open, 'a').onDisk, 'deleted');
});

test('a rename while a save is on its way ends with the text saved under the new name', async () => {
  for (const when of ['before', 'after'] as const) {
    for (const settle of ['save', 'overwrite'] as const) {
      const disk = seat({ a: 'one' });
      const open = new OpenFiles(disk.files);
      await open.open('a');
      open.edit('a', 'mine');
      const writing = disk.hold('write', when);
      const saved = open[settle]('a');
      await disk.files.move('a', 'b');
      open.moved('a', 'b');
      writing.release();
      await saved;
      const { saving, conflict } = text(open, 'b');
      assert.deepEqual({ saving, conflict }, { saving: false, conflict: false });
      assert.equal(isDirty(text(open, 'b')), false);
      assert.equal(disk.text('b'), 'mine', `${settle}, the write ${when}`);
      open.edit('b', 'more');
      await open.save('b');
      assert.equal(disk.text('b'), 'more');
    }
  }
});

test('a rename while a file is opened opens it under the new name', async () => {
  for (const when of ['before', 'after'] as const) {
    const disk = seat({ a: 'one' });
    const open = new OpenFiles(disk.files);
    const reading = disk.hold('read', when);
    const opened = open.open('a');
    await disk.files.move('a', 'b');
    open.moved('a', 'b');
    reading.release();
    await opened;
    assert.equal(text(open, 'b').text, 'one');
  }
});

test('saves asked for while one is on its way are one more save after it', async () => {
  const disk = seat({ a: '' });
  const open = new OpenFiles(disk.files);
  await open.open('a');
  open.edit('a', 'one');
  const writing = disk.hold('write');
  const saves = [open.save('a')];
  for (const more of ['two', 'three']) {
    open.edit('a', more);
    saves.push(open.save('a'));
  }
  writing.release();
  await Promise.all(saves);
  assert.equal(disk.text('a'), 'three');
  assert.equal(isDirty(text(open, 'a')), false);
  assert.equal(writing.calls(), 2);
});

test('a save asked for after one that turns out to be a conflict waits for the answer', async () => {
  const disk = seat({ a: 'one' });
  const open = new OpenFiles(disk.files);
  await open.open('a');
  open.edit('a', 'mine');
  disk.change('a', 'theirs');
  await Promise.all([open.save('a'), open.save('a')]);
  assert.equal(text(open, 'a').conflict, true);
  assert.equal(disk.text('a'), 'theirs');
});

test('a change in the seat is taken over where nothing was edited, and marked where something was', async () => {
  const disk = seat({ a: 'one', b: 'one' });
  const open = new OpenFiles(disk.files);
  await open.open('a');
  await open.open('b');
  open.edit('b', 'mine');
  disk.change('a', 'new');
  disk.change('b', 'new');
  await open.refresh('a');
  await open.refresh('b');
  assert.equal(text(open, 'a').text, 'new');
  assert.equal(text(open, 'b').text, 'mine');
  assert.equal(text(open, 'b').onDisk, 'changed');
});

test('tabs follow what is told of the seat: a change, a deleted folder around them, a gap in the telling', async () => {
  const disk = seat({ 'd/a': 'one', b: 'one', c: 'one' });
  const open = new OpenFiles(disk.files);
  for (const path of ['d/a', 'b', 'c']) await open.open(path);
  disk.change('b', 'two');
  disk.change('c', 'two');
  disk.remove('d/a');
  open.told([
    { type: 'change', path: 'b', kind: 'modified' },
    { type: 'change', path: 'd', kind: 'deleted' },
  ]);
  await settled();
  assert.equal(text(open, 'b').text, 'two');
  assert.equal(open.find('d/a'), undefined);
  assert.equal(text(open, 'c').text, 'one', 'nothing was told of it');
  open.told([{ type: 'change', path: '', kind: 'overflow' }]);
  await settled();
  assert.equal(text(open, 'c').text, 'two');
});

test('a deleted file closes when clean, stays when edited, and saving brings it back', async () => {
  const disk = seat({ 'd/a': 'one', 'd/b': 'one' });
  const open = new OpenFiles(disk.files);
  await open.open('d/a');
  await open.open('d/b');
  open.edit('d/b', 'mine');
  disk.remove('d/a');
  disk.remove('d/b');
  open.removed('d');
  assert.equal(open.find('d/a'), undefined);
  assert.equal(text(open, 'd/b').onDisk, 'deleted');
  await open.save('d/b');
  assert.equal(disk.text('d/b'), 'mine');
});

test('closing the active tab shows its neighbour, and renaming a directory keeps its tabs', async () => {
  const disk = seat({ 'd/a': '', 'd/b': '', c: '' });
  const open = new OpenFiles(disk.files);
  for (const path of ['d/a', 'd/b', 'c']) await open.open(path);
  open.close('c');
  assert.equal(open.state.active, 'd/b');
  open.moved('d', 'e');
  assert.deepEqual(
    open.state.files.map(({ path }) => path),
    ['e/a', 'e/b'],
  );
  assert.equal(open.state.active, 'e/b');
});

test('what an editor cannot show is told apart', async () => {
  const open = new OpenFiles(seat({}).files);
  await open.open('big.log', MAX_EDITOR_BYTES + 1);
  assert.equal(open.find('big.log')?.kind, 'large');
  await open.open('missing');
  assert.equal(open.find('missing')?.kind, 'failed');
  assert.equal(classify('x', new Uint8Array([1, 0, 2])).kind, 'binary');
  assert.equal(classify('x', new Uint8Array([0xff, 0xfe])).kind, 'binary');
  assert.equal(classify('x.png', new Uint8Array([1])).kind, 'image');
  assert.deepEqual(classify('x', new TextEncoder().encode('ä\r\n')), { kind: 'text', text: 'ä\r\n' });
});
