import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { openStore } from './open-store.ts';
import { holdLeases } from './reconciler/store.ts';
import { insertOwner } from './testing/control-plane.ts';

test('a server that was killed keeps nobody waiting for its leases on an SQLite file', async (context) => {
  const directory = await mkdtemp(join(tmpdir(), 'clarateach-store-'));
  context.after(() => rm(directory, { recursive: true, force: true }));
  const location = { kind: 'sqlite', file: join(directory, 'clarateach.db') } as const;
  const open = () => openStore(location, { onMigrated() {}, onConnectionError() {} });
  const now = Date.now();

  const killed = await open();
  await killed.db
    .insertInto('workshops')
    .values({
      id: 'ws-0000aaaa' as never,
      code: 'ABCDEF',
      name: 'Lease',
      ownerId: await insertOwner(killed, 'ada'),
      runtime: 'local',
      image: null,
      apiKeySealed: null,
      seatCount: 1,
      ttlMinutes: 60,
      wanted: 'running',
      createdAt: now,
      startedAt: now,
      endsAt: now + 3_600_000,
      revision: 1,
      leaseHolder: null,
      leaseUntil: null,
    })
    .execute();
  assert.deepEqual(await holdLeases(killed, 'killed', now), ['ws-0000aaaa']);
  await killed.close();

  const next = await open();
  context.after(() => next.close());
  assert.deepEqual(await holdLeases(next, 'next', now), ['ws-0000aaaa']);
});
