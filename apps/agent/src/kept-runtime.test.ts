import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { seatName, type WorkshopId } from '@clarateach/contract/ids';
import type { RuntimeName } from '@clarateach/contract/runtime';
import { instantProvider } from '@clarateach/seats/providers/doubles';
import type { AgentRuntime } from './config.ts';
import { openKeptRuntime } from './kept-runtime.ts';

it('RUNTIME=auto stays with the runtime that has the seats, and starts with no other', async () => {
  const path = await mkdtemp(join(tmpdir(), 'clarateach-agent-'));
  let engine = false;
  const opened: AgentRuntime[] = [];
  const start = async (wanted: AgentRuntime): Promise<RuntimeName> => {
    const provider = await openKeptRuntime(wanted, { path }, async (runtime) => {
      opened.push(runtime);
      if (runtime === 'docker' && !engine) throw new Error('There is no engine.');
      const name = runtime === 'auto' ? (engine ? 'docker' : 'local') : runtime;
      return { ...instantProvider(), info: { name, isolation: 'process', note: '' } };
    });
    return provider.info.name;
  };
  try {
    // Nothing is in local seats yet, so an engine that has come since is used.
    assert.equal(await start('auto'), 'local');
    engine = true;
    assert.equal(await start('auto'), 'docker');
    engine = false;
    await assert.rejects(
      start('auto'),
      /^Error: The seats of this agent are in docker, and RUNTIME=auto stays with it\. There is no engine\. To give/,
    );
    await assert.rejects(start('docker'), /^Error: There is no engine\.$/);
    engine = true;
    assert.equal(await start('auto'), 'docker');
    // A person may choose another, and `auto` keeps to it once it has seats.
    assert.equal(await start('local'), 'local');
    await mkdir(join(path, 'seats', seatName({ workshop: 'ws-abcd2345' as WorkshopId, seat: 1 })), {
      recursive: true,
    });
    assert.equal(await start('auto'), 'local');
    assert.deepEqual(opened, ['auto', 'auto', 'docker', 'docker', 'docker', 'local', 'local']);
  } finally {
    await rm(path, { recursive: true, force: true });
  }
});
