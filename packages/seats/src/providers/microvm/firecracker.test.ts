import assert from 'node:assert/strict';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, describe, it } from 'node:test';
import { ProviderError } from '../../provider.ts';
import { until } from '../local/processes.ts';
import { firecracker, firecrackerRequests } from './firecracker.ts';
import { askFirecracker } from './firecracker-api.ts';
import { type FirecrackerStandIn, firecrackerStandIn } from './firecracker-stand-in.ts';
import type { VmConfig } from './vmm.ts';

const { signal } = new AbortController();
let directory: string;
before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'clarateach-fc-'));
});
after(() => rm(directory, { recursive: true, force: true }));

function configIn(vm: string, changes: Partial<VmConfig> = {}): VmConfig {
  return {
    name: 'clarateach-ws-abcdefgh-seat-01',
    directory: vm,
    kernel: '/dev/null',
    initrd: '/dev/null',
    parameters: { SEAT_ADDRESS: '192.168.100.11/24' },
    memoryMiB: 512,
    cpus: 2,
    disks: [
      { id: 'root', path: '/dev/null', readOnly: true },
      { id: 'changes', path: 'changes.ext4', readOnly: false },
      { id: 'workspace', path: '/dev/null', readOnly: false },
      { id: 'config', path: 'config', readOnly: true },
    ],
    network: { tap: 'ct123456-640b', mac: '02:00:c0:a8:64:0b' },
    uid: undefined,
    ...changes,
  };
}

describe('the requests to Firecracker', () => {
  let api: FirecrackerStandIn;
  let socket: string;
  let number = 0;

  async function fresh(): Promise<void> {
    socket = join(directory, `${number++}.sock`);
    api = firecrackerStandIn({ onStart: () => undefined, onCtrlAltDel: () => undefined });
    api.server.listen(socket);
    await once(api.server, 'listening');
  }
  const close = () => new Promise((resolve) => api.server.close(resolve));

  it('are all in the shape and the order that its API takes, and start a VM', async () => {
    await fresh();
    for (const cpus of [0.5, 1, 2, 3, 64]) {
      for (const request of firecrackerRequests(configIn(directory, { cpus })).slice(0, -1)) {
        await askFirecracker(socket, request);
      }
    }
    await askFirecracker(socket, { method: 'PUT', path: '/actions', body: { action_type: 'InstanceStart' } });
    assert.equal(api.state, 'Running');
    const sizes = api.requests
      .filter(({ path }) => path === '/machine-config')
      .map(({ body }) => body.vcpu_count);
    assert.deepEqual(sizes, [1, 1, 2, 4, 32]);
    await close();
  });

  it('name disks that lie elsewhere by the files that the process inherits', () => {
    const paths = firecrackerRequests(configIn(directory))
      .filter(({ path }) => path.startsWith('/drives/'))
      .map(({ body }) => body.path_on_host);
    assert.deepEqual(paths, ['/proc/self/fd/5', 'changes.ext4', '/proc/self/fd/6', 'config']);
  });

  it('fail with Firecracker’s own words when it refuses, and are not repeated then', async () => {
    await fresh();
    const start = { method: 'PUT', path: '/actions', body: { action_type: 'InstanceStart' } } as const;
    const refused = (message: RegExp) => (error: unknown) =>
      error instanceof ProviderError && error.kind === 'rejected' && message.test(error.message);
    await assert.rejects(askFirecracker(socket, start), refused(/without kernel configuration/));
    for (const request of firecrackerRequests(configIn(directory))) await askFirecracker(socket, request);
    await assert.rejects(askFirecracker(socket, start), refused(/not supported after starting/));
    await assert.rejects(
      askFirecracker(socket, { method: 'PUT', path: '/boot-source', body: { kernel: 'x' } }),
      refused(/unknown field `kernel`/),
    );
    await close();
  });

  it('are unreachable when nobody listens', async () => {
    await assert.rejects(
      askFirecracker(join(directory, 'nobody.sock'), { method: 'PUT', path: '/entropy', body: {} }),
      (error) => error instanceof ProviderError && error.kind === 'unreachable',
    );
  });
});

describe('a VM of Firecracker', () => {
  let vm: string;
  let program: string;
  beforeEach(async () => {
    vm = await mkdtemp(join(directory, 'vm-'));
    await mkdir(join(vm, 'vm'));
    program = join(directory, 'firecracker');
    const standIn = join(import.meta.dirname, 'firecracker-stand-in-program.ts');
    await writeFile(program, `#!/bin/sh\nexec ${process.execPath} ${standIn} "$@"\n`);
    await chmod(program, 0o755);
  });

  it('starts, is found again by its directory, and leaves when it is asked to', async () => {
    await firecracker(program).start(configIn(vm), signal);
    const again = firecracker(program);
    assert.deepEqual(await again.state(vm), { state: 'running' });
    assert.ok(await until(() => again.hasBegun(vm), { withinMs: 5_000 }));
    assert.ok(await again.leave(vm, 10_000));
    assert.deepEqual(await again.state(vm), { state: 'ended', reason: 'left' });
  });

  it('is not left half-made when Firecracker refuses something', async () => {
    const vmm = firecracker(program);
    const network = { tap: 7 as unknown as string, mac: '02:00:c0:a8:64:0b' };
    await assert.rejects(vmm.start(configIn(vm, { network }), signal), /invalid type for `host_dev_name`/);
    assert.notDeepEqual(await vmm.state(vm), { state: 'running' });
  });

  it('fails with what the program said when it does not start', async () => {
    await assert.rejects(
      firecracker(join(directory, 'no-such-program')).start(configIn(vm), signal),
      (error) => error instanceof ProviderError && /could not be started: .*not found/.test(error.message),
    );
  });
});
