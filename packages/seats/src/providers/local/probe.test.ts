import assert from 'node:assert/strict';
import { test } from 'node:test';
import { probeLocal, tryBubblewrap } from './probe.ts';
import { bubblewrapFeatures, droppedRoot, sandboxArguments } from './sandbox.ts';

const sources = {
  seat: '/data/seat',
  sockets: '/data/seat/sockets',
  tools: '/app/tools',
  program: '/data/.program',
};
const limits = { memoryMiB: 512, cpus: 1, processes: 64, openFiles: 256 };

test('the probe says what a trial showed, and warns loudly where there is no sandbox', async () => {
  const [probe, trial] = await Promise.all([probeLocal(), tryBubblewrap()]);
  assert.equal(probe.sandbox, trial.works ? 'bubblewrap' : 'none');
  assert.equal(probe.note.startsWith('NOT ISOLATED'), !trial.works);
  assert.ok(Array.isArray(probe.missing));
});

test('an older bubblewrap is used without what it does not know', () => {
  const older = bubblewrapFeatures('  --tmpfs DEST   Mount new tmpfs\n  --args FD\n');
  const newer = bubblewrapFeatures('    --disable-userns   Disable\n    --size BYTES   Set size\n');
  assert.deepEqual(older, { tmpfsSize: false, disableUserns: false });
  assert.deepEqual(newer, { tmpfsSize: true, disableUserns: true });
  const request = { sources, hostname: 'seat-01', env: { KEY: 'value' }, limits };
  const plain = sandboxArguments({ ...request, features: older });
  const full = sandboxArguments({ ...request, features: newer });
  for (const option of ['--size', '--disable-userns']) {
    assert.ok(!plain.includes(option) && full.includes(option));
  }
  for (const option of [
    '--unshare-user',
    '--unshare-pid',
    '--unshare-ipc',
    '--unshare-uts',
    '--new-session',
    '--clearenv',
  ])
    assert.ok(plain.includes(option), option);
  assert.ok(!plain.includes('--die-with-parent'));
});

test('a seat of root’s is shown at a place that hides none of its own directories', () => {
  const { sources: shown, wrap } = droppedRoot(64_001, { ...sources, tools: '/mnt/disk/tools' });
  assert.ok(!shown.seat.startsWith('/mnt/'));
  assert.equal(shown.sockets, `${shown.seat}/sockets`);
  assert.deepEqual(wrap(['bwrap', 'x']).slice(-5), [
    '/data/seat',
    '/mnt/disk/tools',
    '/data/.program',
    'bwrap',
    'x',
  ]);
  assert.equal(droppedRoot(64_001, { ...sources, sockets: '/tmp/ct-1' }).sources.sockets, '/tmp/ct-1');
});
