import assert from 'node:assert/strict';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { directoryBeside, replaceDirectory } from './replace-directory.ts';

let place: string;
beforeEach(() => {
  place = mkdtempSync(join(tmpdir(), 'clarateach-replace-'));
});
afterEach(() => rmSync(place, { recursive: true }));

function built(name: string, content: string): string {
  const path = join(place, name);
  mkdirSync(path);
  writeFileSync(join(path, 'server.cjs'), content);
  return path;
}

test('a build takes the place of the one before, and nothing else is left', () => {
  const target = built('dist', 'old');
  writeFileSync(join(target, 'gone.mjs'), '');
  const next = directoryBeside(target);
  built(`dist.next-${process.pid}`, 'new');
  assert.equal(readFileSync(join(target, 'server.cjs'), 'utf8'), 'old');
  replaceDirectory(next, target);
  assert.equal(readFileSync(join(target, 'server.cjs'), 'utf8'), 'new');
  assert.deepEqual([readdirSync(place), readdirSync(target)], [['dist'], ['server.cjs']]);
});

test('the first build has nothing to replace', () => {
  const target = join(place, 'dist');
  const next = directoryBeside(target);
  mkdirSync(next);
  replaceDirectory(next, target);
  assert.ok(existsSync(target));
});

test('what a killed build left is removed, and a build under way is let be', () => {
  built('dist.next-4194304', 'killed');
  built('dist.next-1', 'under way');
  directoryBeside(join(place, 'dist'));
  assert.deepEqual(readdirSync(place), ['dist.next-1']);
});
