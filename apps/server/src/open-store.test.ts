import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { openStore } from './open-store.ts';
import { insertWorkshop } from './testing/control-plane.ts';

test('a server that was killed keeps nobody waiting for its leases on an SQLite file', async (context) => {
  const directory = await mkdtemp(join(tmpdir(), 'clarateach-store-'));
  context.after(() => rm(directory, { recursive: true, force: true }));
  const file = join(directory, 'clarateach.db');
  const events = { onMigrated: () => undefined, onConnectionError: () => undefined };
  const killed = await openStore({ kind: 'sqlite', file }, events);
  await killed.close();
});
