import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';

const UNITS = join(import.meta.dirname, '..', 'deploy', 'systemd');
const ANALYZE = '/usr/bin/systemd-analyze';
const skip = existsSync(ANALYZE) ? undefined : `NOT RUN: ${ANALYZE} is not installed`;

test('systemd finds nothing wrong with the units', skip === undefined ? {} : { skip }, async () => {
  const directory = await mkdtemp(join(tmpdir(), 'clarateach-units-'));
  try {
    const units = (await readdir(UNITS)).filter((name) => name.endsWith('.service'));
    assert.ok(units.length > 0);
    for (const name of units) {
      const text = await readFile(join(UNITS, name), 'utf8');
      assert.match(text, /^ExecStart=\/opt\/clarateach\/clarateach /m);
      // This machine has no installation, so a program that every machine has stands for it.
      await writeFile(join(directory, name), text.replace('=/opt/clarateach/clarateach ', '=/bin/true '));
    }
    const { stdout, stderr } = await promisify(execFile)(ANALYZE, [
      'verify',
      '--man=no',
      '--recursive-errors=no',
      ...units.map((name) => join(directory, name)),
    ]);
    assert.equal(`${stdout}${stderr}`, '');
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
});
