import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { prepareClaude } from './claude.ts';

const KEY = 'sk-ant-api03-0123456789abcdefghijklmnop';

async function home() {
  const path = await mkdtemp(join(tmpdir(), 'clarateach-home-'));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

test("claude finds the workshop's key under its own name, and does not ask about it", async () => {
  await using at = await home();
  const added = prepareClaude({ CLAUDE_API_KEY: KEY, HOME: at.path });
  assert.deepEqual(added, { ANTHROPIC_API_KEY: KEY });
  const file = join(at.path, '.claude.json');
  assert.deepEqual(JSON.parse(await readFile(file, 'utf8')), {
    hasCompletedOnboarding: true,
    customApiKeyResponses: { approved: ['6789abcdefghijklmnop'], rejected: [] },
  });
  assert.equal((await stat(file)).mode & 0o777, 0o600);
});

test("a learner's own settings of claude, and a key of another name, are left alone", async () => {
  await using at = await home();
  const file = join(at.path, '.claude.json');
  await writeFile(file, '{}');
  const env = { CLAUDE_API_KEY: KEY, ANTHROPIC_API_KEY: 'another', HOME: at.path };
  assert.deepEqual(prepareClaude(env), { ANTHROPIC_API_KEY: 'another' });
  assert.equal(await readFile(file, 'utf8'), '{}');
});

test('without a key nothing is made', async () => {
  await using at = await home();
  assert.deepEqual(prepareClaude({ HOME: at.path }), {});
  await assert.rejects(stat(join(at.path, '.claude.json')), { code: 'ENOENT' });
});
