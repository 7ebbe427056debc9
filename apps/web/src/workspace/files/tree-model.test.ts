import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FileEntry } from '@clarateach/contract/files';
import {
  emptyTree,
  folded,
  listed,
  staleDirectories,
  unfolded,
  unlisted,
  visibleRows,
} from './tree-model.ts';

const file = (name: string): FileEntry => ({ name, type: 'file', size: 1, mtimeMs: 0, mode: 0o644 });
const directory = (name: string): FileEntry => ({ ...file(name), type: 'directory' });
const names = (tree: Parameters<typeof visibleRows>[0]) => visibleRows(tree).map(({ path }) => path);

test('directories come first, and numbers count as numbers', () => {
  const tree = listed(emptyTree, '', [file('10.txt'), file('2.txt'), directory('src'), file('README.md')]);
  assert.deepEqual(names(tree), ['src', '2.txt', '10.txt', 'README.md']);
});

test('the home directory of the seat is not shown, and others of its name are', () => {
  let tree = listed(emptyTree, '', [directory('.home'), directory('src'), file('.env')]);
  tree = listed(unfolded(tree, 'src'), 'src', [directory('.home')]);
  assert.deepEqual(names(tree), ['src', 'src/.home', '.env']);
});

test('an unfolded directory shows its entries once they are known', () => {
  let tree = unfolded(listed(emptyTree, '', [directory('src'), file('a')]), 'src');
  assert.equal(visibleRows(tree)[0]?.loading, true);
  tree = listed(tree, 'src', [file('main.ts')]);
  assert.deepEqual(
    visibleRows(tree).map(({ path, depth, position, siblings }) => [path, depth, position, siblings]),
    [
      ['src', 0, 1, 2],
      ['src/main.ts', 1, 1, 1],
      ['a', 0, 2, 2],
    ],
  );
  assert.deepEqual(names(folded(tree, 'src')), ['src', 'a']);
});

test('a directory that is gone takes what was known below it along', () => {
  let tree = unfolded(listed(emptyTree, '', [directory('a'), directory('ab')]), 'a/b');
  tree = listed(listed(tree, 'a', [directory('b')]), 'a/b', [file('x')]);
  tree = listed(tree, '', [directory('ab')]);
  assert.deepEqual([...tree.listings.keys()], ['']);
  assert.deepEqual([...tree.expanded], ['']);
  const other = unlisted(unfolded(listed(emptyTree, '', [directory('a'), directory('ab')]), 'ab'), 'a');
  assert.deepEqual([...other.expanded], ['', 'ab']);
});

test('a change lists the directory around it again, if that is known', () => {
  const tree = listed(listed(emptyTree, '', [directory('src')]), 'src', [file('a')]);
  const change = (path: string, kind: 'created' | 'modified' | 'deleted') => ({
    type: 'change' as const,
    path,
    kind,
  });
  assert.deepEqual(staleDirectories(tree, [change('src/b', 'created'), change('src/c', 'deleted')]), ['src']);
  assert.deepEqual(staleDirectories(tree, [change('src/a', 'modified')]), []);
  assert.deepEqual(staleDirectories(tree, [change('other/deep/x', 'created')]), []);
});

test('too many changes list everything known again', () => {
  const tree = listed(listed(emptyTree, '', [directory('src')]), 'src', []);
  assert.deepEqual(staleDirectories(tree, [{ type: 'change', path: '', kind: 'overflow' }]), ['', 'src']);
});
