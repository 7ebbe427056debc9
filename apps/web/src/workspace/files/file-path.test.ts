import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isWithin, joinPath, movedPath, nameOf, nameProblem, parentOf } from './file-path.ts';

test('paths are taken apart and put together', () => {
  assert.equal(joinPath('', 'a'), 'a');
  assert.equal(joinPath('a/b', 'c'), 'a/b/c');
  assert.equal(parentOf('a/b/c'), 'a/b');
  assert.equal(parentOf('a'), '');
  assert.equal(nameOf('a/b/c'), 'c');
});

test('a name that begins alike is not within', () => {
  assert.equal(isWithin('src/a', 'src'), true);
  assert.equal(isWithin('src2/a', 'src'), false);
  assert.equal(movedPath('src/a/b', 'src', 'lib'), 'lib/a/b');
  assert.equal(movedPath('src2/a', 'src', 'lib'), 'src2/a');
});

test('names that cannot be are told while they are typed', () => {
  assert.equal(nameProblem('notes.md', []), undefined);
  assert.equal(nameProblem('lib/deep.ts', []), undefined);
  for (const bad of ['', '..', 'a//b', '/a', 'a/', 'x/../y', 'n\0l'])
    assert.notEqual(nameProblem(bad, []), undefined, bad);
  assert.match(nameProblem('a.txt', ['a.txt']) ?? '', /exists/);
});
