import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { makeGroups, parseMounts, vmGroups } from './cgroup.ts';

const LIMITS = { memoryMiB: 768, cpus: 1.5, tasks: 128 };

describe('the limits of a VM', () => {
  it('are found in the old and in the new kind of control groups', () => {
    const text = [
      'cgroup /sys/fs/cgroup/cpu cgroup rw,relatime,cpu,cpuacct 0 0',
      'cgroup /sys/fs/cgroup/memory cgroup rw,relatime,memory 0 0',
      'cgroup /sys/fs/cgroup/pids cgroup rw,relatime,pids 0 0',
      'cgroup2 /sys/fs/cgroup/unified cgroup2 rw,relatime 0 0',
    ].join('\n');
    const under = '/sys/fs/cgroup';
    assert.deepEqual(parseMounts(text), [
      { version: 2, root: `${under}/unified` },
      { version: 1, memory: `${under}/memory`, cpu: `${under}/cpu`, pids: `${under}/pids` },
    ]);
    assert.deepEqual(parseMounts('tmpfs / tmpfs rw 0 0'), []);
  });

  it('are written as each kind reads them, in groups of the VM’s own', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'clarateach-cgroup-'));
    try {
      const at = (name: string) => join(directory, name);
      for (const name of ['memory', 'cpu', 'pids', 'two']) await mkdir(at(name));
      const old = { version: 1, memory: at('memory'), cpu: at('cpu'), pids: at('pids') } as const;
      const read = async (procs: string, name: string) => readFile(join(procs, '..', name), 'utf8');

      const [memory = '', cpu = '', pids = ''] = await makeGroups(vmGroups(old, '/seat/run', LIMITS));
      assert.equal(await read(memory, 'memory.limit_in_bytes'), `${768 * 1024 * 1024}`);
      assert.equal(await read(cpu, 'cpu.cfs_period_us'), '100000');
      assert.equal(await read(cpu, 'cpu.cfs_quota_us'), '150000');
      assert.equal(await read(pids, 'pids.max'), '128');

      const [one = '', ...more] = await makeGroups(
        vmGroups({ version: 2, root: at('two') }, '/seat/run', LIMITS),
      );
      assert.deepEqual(more, []);
      assert.equal(await read(one, 'memory.max'), `${768 * 1024 * 1024}`);
      assert.equal(await read(one, 'cpu.max'), '150000 100000');
      assert.equal(await read(one, 'pids.max'), '128');

      const [other] = vmGroups({ version: 2, root: at('two') }, '/other/run', LIMITS);
      assert.notEqual(join(one, '..'), other?.directory);
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  });
});
