import assert from 'node:assert/strict';
import { once } from 'node:events';
import { chmod, link, mkdir, mkdtemp, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, describe, it } from 'node:test';
import { ProviderError } from '../../provider.ts';
import { until } from '../local/processes.ts';
import { firecracker, firecrackerRequests } from './firecracker.ts';
import { askFirecracker } from './firecracker-api.ts';
import { type FirecrackerStandIn, firecrackerStandIn } from './firecracker-stand-in.ts';
import { SHAPES_FILE, shapesOf } from './testing-firecracker-api.ts';
import { boundConsole } from './vm-process.ts';
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
    network: { port: undefined, mac: '02:00:c0:a8:64:0b' },
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

  it('name disks by the files that the process inherits, the same wherever they lie', () => {
    const paths = firecrackerRequests(configIn(directory))
      .filter(({ path }) => path.startsWith('/drives/'))
      .map(({ body }) => body.path_on_host);
    assert.deepEqual(
      paths,
      [5, 6, 7, 8].map((file) => `/proc/self/fd/${file}`),
    );
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

describe('the stand-in for Firecracker', () => {
  it('takes what its own description allows, in the state that allows it, and nothing else', async () => {
    const socket = join(directory, 'strict.sock');
    const api = firecrackerStandIn({ onStart: () => undefined, onCtrlAltDel: () => undefined });
    api.server.listen(socket);
    await once(api.server, 'listening');
    const put = (path: string, body: object, method: 'PUT' | 'PATCH' = 'PUT') =>
      askFirecracker(socket, { method, path, body: body as Record<string, unknown> });
    const refused = (message: RegExp) => (error: unknown) =>
      error instanceof ProviderError && error.kind === 'rejected' && message.test(error.message);
    const bucket = { size: 1, refill_time: 1 };
    const drive = { drive_id: 'root', is_root_device: false, path_on_host: '/dev/null' };
    const never: readonly (readonly [RegExp, string, object])[] = [
      [/unknown field `mac`/, '/network-interfaces/eth0', { iface_id: 'eth0', host_dev_name: 't', mac: '' }],
      [/missing field `host_dev_name`/, '/network-interfaces/eth0', { iface_id: 'eth0' }],
      [/missing field `refill_time`/, '/entropy', { rate_limiter: { bandwidth: { size: 1 } } }],
      [/invalid value for `vcpu_count`/, '/machine-config', { vcpu_count: 33, mem_size_mib: 512 }],
      [/invalid type for `mem_size_mib`: string/, '/machine-config', { vcpu_count: 1, mem_size_mib: '512' }],
      [/unknown variant `writeback`/, '/drives/root', { ...drive, cache_type: 'writeback' }],
      [/does not match the id/, '/drives/other', drive],
      [/Invalid request method and\/or path/, '/drives/a-b', drive],
      [/Invalid request method and\/or path/, '/disks/root', drive],
      [/not supported before starting/, '/snapshot/create', { snapshot_path: 's', mem_file_path: 'm' }],
    ];
    for (const [message, path, body] of never) await assert.rejects(put(path, body), refused(message), path);
    await put('/boot-source', { kernel_image_path: '/vmlinux' });
    await assert.rejects(
      put('/snapshot/load', { snapshot_path: 's', mem_backend: { backend_type: 'File', backend_path: 'm' } }),
      refused(/not allowed after configuring/),
    );
    await put('/actions', { action_type: 'InstanceStart' });
    await assert.rejects(put('/boot-source', { kernel_image_path: 'k' }), refused(/after starting/));
    await assert.rejects(
      put('/snapshot/create', { snapshot_path: 's', mem_file_path: 'm' }),
      refused(/Pause the microVM before/),
    );
    await put('/vm', { state: 'Paused' }, 'PATCH');
    await put('/snapshot/create', { snapshot_path: 's', mem_file_path: 'm' });
    await put('/drives/root', { drive_id: 'root', rate_limiter: { ops: bucket } }, 'PATCH');
    assert.equal(api.state, 'Paused');
    await new Promise((resolve) => api.server.close(resolve));
  });

  const description = process.env.FIRECRACKER_API;
  const lacking =
    description === undefined
      ? 'NOT RUN: FIRECRACKER_API does not name the OpenAPI description of a Firecracker release'
      : false;
  it('has the shapes of Firecracker’s own description', { skip: lacking }, async () => {
    const shapes = shapesOf(await readFile(description ?? '', 'utf8'));
    assert.deepEqual(JSON.parse(await readFile(SHAPES_FILE, 'utf8')), JSON.parse(JSON.stringify(shapes)));
  });
});

describe('a VM of Firecracker', () => {
  let vm: string;
  let program: string;
  // Only root gives a VM a network.
  const launchedIn = (changes: Partial<VmConfig> = {}) =>
    configIn(vm, { ...(process.getuid?.() === 0 ? {} : { network: undefined }), ...changes });
  beforeEach(async () => {
    vm = await mkdtemp(join(directory, 'vm-'));
    await mkdir(join(vm, 'vm'));
    for (const disk of ['changes.ext4', 'config']) await writeFile(join(vm, 'vm', disk), '');
    program = join(directory, 'firecracker');
    const standIn = join(import.meta.dirname, 'firecracker-stand-in-program.ts');
    await writeFile(program, `#!/bin/sh\nexec ${process.execPath} ${standIn} "$@"\n`);
    await chmod(program, 0o755);
  });

  it('starts, is found again by its directory, and leaves when it is asked to', async () => {
    await (await firecracker(program)).start(launchedIn(), signal);
    const again = await firecracker(program);
    assert.deepEqual(await again.state(vm), { state: 'running' });
    assert.ok(await until(() => again.hasSaid(vm, 'begins'), { withinMs: 5_000 }));
    assert.ok(await again.leave(vm, 10_000));
    assert.deepEqual(await again.state(vm), { state: 'ended', reason: 'left' });
    await again.kill(vm);
  });

  it('cannot fill the host’s disk by its console, and what it said first and last is still known', async () => {
    const vmm = await firecracker(program);
    const log = join(vm, 'vm', 'console.log');
    const flood = 6 * 1024 * 1024;
    await vmm.start(launchedIn({ parameters: { SEAT_FLOOD: `${flood}` } }), signal);
    const printed = async () => (await stat(log)).size > flood;
    assert.ok(await until(printed, { withinMs: 5_000 }));
    assert.ok(await vmm.hasSaid(vm, 'begins'), 'before six MiB');
    await boundConsole(vm);
    assert.equal((await stat(log)).size, 65_536);
    assert.ok(await vmm.hasSaid(vm, 'begins'));
    assert.ok(await vmm.leave(vm, 10_000));
    assert.deepEqual(await vmm.state(vm), { state: 'ended', reason: 'left' });
    const { size } = await stat(log);
    assert.ok(size < 66_000, `${size}: it goes on behind what is kept`);
    await boundConsole(vm);
    assert.equal((await stat(log)).size, size);
    await vmm.kill(vm);
  });

  it('is given no way to a file of others by the name of its console', async () => {
    const others = join(directory, 'of-others');
    await writeFile(others, Buffer.alloc(5 * 1024 * 1024, 1));
    const log = join(vm, 'vm', 'console.log');
    for (const lay of [link, symlink]) {
      await lay(others, log);
      await boundConsole(vm);
      assert.equal((await stat(others)).size, 5 * 1024 * 1024);
      await rm(log);
    }
  });

  it('is not left half-made when Firecracker refuses something', async () => {
    const vmm = await firecracker(program);
    const disks = [{ id: 'no-disk' as 'root', path: '/dev/null', readOnly: true }];
    await assert.rejects(
      vmm.start(launchedIn({ disks }), signal),
      /refused PUT \/drives\/no-disk: Invalid request/,
    );
    assert.notDeepEqual(await vmm.state(vm), { state: 'running' });
  });

  it('fails with what the program said when it does not start', async () => {
    const vmm = await firecracker(join(directory, 'no-such-program'));
    await assert.rejects(
      vmm.start(launchedIn(), signal),
      (error) => error instanceof ProviderError && /could not be started: .*not found/.test(error.message),
    );
  });
});
