import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

/** Runs a benchmark in its short form: that it does its work right, and never how fast. */
export function checkBenchmark(name: string, skip: string | undefined): void {
  test(`the benchmark ${name} does its work right`, skip === undefined ? {} : { skip }, async () => {
    const { code, output } = await run(name);
    assert.equal(code, 0, output);
    assert.match(output, /ratio \d/);
  });
}

function run(name: string): Promise<{ code: number | null; output: string }> {
  const file = fileURLToPath(new URL(`./${name}.ts`, import.meta.url));
  const child = spawn(process.execPath, [file, '--short'], { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      output += chunk;
    });
  }
  return new Promise((resolve) => {
    child.on('close', (code) => resolve({ code, output }));
  });
}
