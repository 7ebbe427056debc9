import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createDiskWatch } from './disk-watch.ts';
import { eventually } from './testing/control-plane.ts';
import { testServer } from './testing/server.ts';

const GIB = 1024 ** 3;

describe('the watch of the disks', () => {
  it('tells once when a disk becomes low, and once when it no longer is', async () => {
    let freeBytes = 50 * GIB;
    const told: string[] = [];
    const watch = createDiskWatch({
      places: { data: '/data', gone: '/gone' },
      everyMs: 5,
      onChange: ({ place }, low) => told.push(`${place} ${low ? 'low' : 'fine'}`),
      onError: (error) => told.push(String(error)),
      measure: async (directory) => {
        if (directory === '/gone') throw new Error('There is no such place.');
        return { freeBytes, totalBytes: 100 * GIB };
      },
    });
    await watch.look();
    assert.deepEqual(told, []);
    freeBytes = GIB;
    await eventually(() => told.length === 1);
    freeBytes = 10 * GIB;
    await eventually(() => told.length === 2);
    watch.close();
    assert.deepEqual(told, ['data low', 'data fine']);
  });

  it('shows in the metrics how much is free', async () => {
    const server = await testServer({});
    try {
      const metrics = await (await server.anyone.request('GET', '/metrics')).text();
      const free = /clarateach_disk_free_bytes\{place="data"\} (\S+)/.exec(metrics)?.[1];
      assert.ok(Number(free) > 0, metrics.slice(0, 500));
      assert.match(metrics, /clarateach_disk_bytes\{place="data"\}/);
    } finally {
      await server.close();
    }
  });
});
