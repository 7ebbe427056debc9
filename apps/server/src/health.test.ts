import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { WorkerView } from '@clarateach/contract/health';
import { ProviderError } from '@clarateach/seats/provider';
import { instantProvider } from '@clarateach/seats/providers/doubles';
import { createHealth } from './health.ts';
import type { Database } from './store/database.ts';

describe('the health', () => {
  it('is degraded while a runtime or the database does not answer, and is not asked for too often', async () => {
    let clock = 0;
    let pings = 0;
    let databaseOk = true;
    const database = {
      kind: 'sqlite',
      async ping() {
        pings++;
        if (!databaseOk) throw new Error('away');
      },
    } as unknown as Database;
    const provider = instantProvider();
    let workers: WorkerView[] = [];
    const health = createHealth({
      database,
      runtimes: new Map([['local', provider]]),
      workers: () => workers,
      version: '1.2.3',
      now: () => clock,
    });
    const seen = await Promise.all([health(), health(), health()]);
    assert.equal(pings, 1);
    assert.deepEqual(seen[0], {
      status: 'ok',
      version: '1.2.3',
      database: { kind: 'sqlite', ok: true },
      runtimes: [{ ...provider.info, ok: true }],
      workers: null,
      defaultRuntime: 'local',
    });
    workers = [{ state: 'up' }, { state: 'down' }] as WorkerView[];
    clock += 1_000;
    const partly = await health();
    assert.deepEqual([partly.status, partly.workers], ['degraded', { total: 2, up: 1 }]);
    workers = [];
    provider.fail('list', new ProviderError('unreachable', 'The engine is away.'));
    clock += 1_000;
    const away = await health();
    assert.deepEqual([away.status, away.runtimes[0]?.ok, away.database.ok], ['degraded', false, true]);
    databaseOk = false;
    clock += 1_000;
    assert.deepEqual([(await health()).status, (await health()).database.ok], ['degraded', false]);
  });
});
