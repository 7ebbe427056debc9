import assert from 'node:assert/strict';
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { seatEnvironment } from './seat-environment.ts';

async function directory() {
  const path = await mkdtemp(join(tmpdir(), 'clarateach-settings-'));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

const never = () => assert.fail('nothing is to be waited for');

test('a seat that was started for somebody has its environment', async () => {
  const env = { SEAT: '3' };
  assert.equal(await seatEnvironment(env, never), env);
});

test('a seat that was started for nobody waits for its settings, and what its start has set stands', async () => {
  await using at = await directory();
  const file = join(at.path, 'settings.json');
  const waits = Promise.withResolvers<void>();
  const found = seatEnvironment({ SEAT_SETTINGS: file, HOME: '/home' }, waits.resolve);
  await waits.promise;
  await writeFile(join(at.path, 'another'), '');
  await writeFile(`${file}.new`, JSON.stringify({ SEAT: '3', HOME: '/elsewhere' }));
  await rename(`${file}.new`, file);
  assert.deepEqual(await found, { SEAT: '3', HOME: '/home', SEAT_SETTINGS: file });
});

test('a server that is started again finds the settings where they are', async () => {
  await using at = await directory();
  const file = join(at.path, 'settings.json');
  await writeFile(file, '{"SEAT":"3"}');
  assert.equal((await seatEnvironment({ SEAT_SETTINGS: file }, never)).SEAT, '3');
});
