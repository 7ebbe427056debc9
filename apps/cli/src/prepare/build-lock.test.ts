import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';

const run = promisify(execFile);
const AS_NOBODY = ['--reuid=65534', '--regid=65534', '--clear-groups'];
const PROGRAM = join(import.meta.dirname, 'build-lock.ts');
const skip =
  process.getuid?.() !== 0
    ? 'NOT RUN: only root becomes another user'
    : await run('setpriv', [...AS_NOBODY, 'test', '-r', PROGRAM, '-a', '!', '-w', import.meta.dirname]).then(
        () => false,
        () => 'NOT RUN: another user may not read this checkout, or may write there',
      );

test('who may not write in the checkout is told whose it has to be', { skip }, async () => {
  const script = `
    const { whileBuilding } = await import(${JSON.stringify(PROGRAM)});
    const output = { note() {}, line() {}, json() {} };
    await whileBuilding(output, new AbortController().signal, async () => {}).catch(({ name, message }) =>
      console.log(name, message));`;
  const { stdout } = await run('setpriv', [
    ...AS_NOBODY,
    process.execPath,
    '--input-type=module',
    '-e',
    script,
  ]);
  assert.match(stdout, /^CommandError .*this user may not write.*chown -R USER \//);
});
