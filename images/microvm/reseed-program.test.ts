import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { reseedProgram } from './reseed-program.ts';

test('the reseed program asks the kernel by its standard input, and tells what it answered', (context) => {
  if (process.arch !== 'x64') return context.skip('guests are x86-64');
  const directory = mkdtempSync(join(tmpdir(), 'clarateach-reseed-'));
  try {
    const program = join(directory, 'reseed');
    writeFileSync(program, reseedProgram(), { mode: 0o755 });
    const codeOf = (path: string) => {
      const input = openSync(path, 'r');
      try {
        return spawnSync(program, { stdio: [input, 'ignore', 'ignore'] }).status;
      } finally {
        closeSync(input);
      }
    };
    // Only root may; others are told so (EPERM is 1). A device that is no generator knows no such request (ENOTTY).
    assert.equal(codeOf('/dev/urandom'), process.getuid?.() === 0 ? 0 : 1);
    assert.equal(codeOf('/dev/null'), 25);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});
