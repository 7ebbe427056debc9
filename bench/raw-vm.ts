/** What microVM benchmarks run beside: QEMU alone, with the seats' kernel, disks and memory, and no platform. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { WorkshopId } from '@clarateach/contract/ids';
import { HEALTH_PATH, TERMINAL_PORT } from '@clarateach/contract/seat-server';
import { CONFIG, WORKSPACE } from '@clarateach/seats/providers/microvm/guest-start';
import { QEMU, qemu, qemuArguments, tscOfThisMachine } from '@clarateach/seats/providers/microvm/qemu';
import { connectQmp } from '@clarateach/seats/providers/microvm/qmp';
import { type GuestShape, guestDisks } from '@clarateach/seats/providers/microvm/saved-guests';
import {
  ensureWorkspaceDisk,
  makeChangesDisk,
  writeConfigDisk,
} from '@clarateach/seats/providers/microvm/seat-disks';
import type { SavedGuest, VmConfig } from '@clarateach/seats/providers/microvm/vmm';

const run = promisify(execFile);
const ANSWER_MS = 180_000;

export interface RawVm {
  /** Starts it, booted or as a copy, and returns when its workspace server has answered. */
  start(saved: SavedGuest | undefined): Promise<void>;
  readonly pid: number;
  /** Ends it; it can be started again. */
  stop(): Promise<void>;
  remove(): Promise<void>;
}

/** One QEMU with a tap of its own on the host; disks, address and tap are made before its start is measured. */
export async function rawVm(number: number, shape: GuestShape): Promise<RawVm> {
  const directory = await mkdtemp(join(tmpdir(), 'clarateach-raw-'));
  const work = join(directory, 'vm');
  const tap = `ctraw${process.pid % 10_000}-${number}`;
  const network = `10.213.${number}`;
  const mac = `02:00:0a:d5:00:0${number}`;
  const vmm = await qemu('emulation');
  const { signal } = new AbortController();
  await run('ip', ['tuntap', 'add', 'dev', tap, 'mode', 'tap']);
  await run('ip', ['address', 'add', `${network}.1/24`, 'dev', tap]);
  await run('ip', ['link', 'set', 'dev', tap, 'up']);
  let child: ReturnType<typeof spawn> | undefined;

  async function disks(): Promise<void> {
    await rm(work, { recursive: true, force: true });
    await mkdir(work);
    await ensureWorkspaceDisk(join(work, WORKSPACE), { bytes: shape.workspaceBytes, uid: 0 });
    await makeChangesDisk(join(work, 'changes.ext4'), shape.changesBytes);
    await writeConfigDisk(join(work, CONFIG), {
      spec: {
        id: { workshop: 'ws-raw00000' as WorkshopId, seat: number },
        env: {},
        limits: { memoryMiB: shape.memoryMiB, cpus: shape.cpus, processes: 256, openFiles: 2048 },
      },
      resolvers: [],
      identity: { address: `${network}.2/24`, gateway: `${network}.1`, mac },
    });
  }
  await disks();

  return {
    get pid() {
      return child?.pid ?? 0;
    },
    async start(saved) {
      const config: VmConfig = {
        name: `raw-${number}`,
        directory,
        kernel: shape.images.kernel,
        initrd: shape.images.initrd,
        parameters: saved === undefined ? {} : { SEAT_WAIT: '1' },
        memoryMiB: shape.memoryMiB,
        cpus: shape.cpus,
        disks: guestDisks({ root: shape.images.rootfs, workspace: WORKSPACE }),
        network: { port: undefined, mac },
        uid: undefined,
        begin: saved === undefined ? { kind: 'boot' } : { kind: 'copy', of: saved },
      };
      const { kernel, initrd, rootfs } = shape.images;
      const files = [kernel, initrd, rootfs, ...(saved ? [saved.memory, saved.state] : [])];
      const opened = files.map((file) => openSync(file, 'r'));
      child = spawn(
        QEMU,
        qemuArguments(config, { acceleration: 'emulation', tscKhz: await tscOfThisMachine(), tap }),
        {
          cwd: work,
          stdio: ['ignore', 'ignore', 'inherit', ...opened],
        },
      );
      for (const fd of opened) closeSync(fd);
      if (saved !== undefined) {
        await using qmp = await connectQmp(join(work, 'qmp.sock'), signal);
        await qmp.execute('migrate-set-capabilities', {
          capabilities: [{ capability: 'x-ignore-shared', state: true }],
        });
        await qmp.execute('migrate-incoming', { uri: `fd:${3 + files.length - 1}` });
        await qmp.reach('query-status', 'paused', ['inmigrate']);
        await qmp.execute('cont');
        await vmm.snapshots?.wake(directory);
      }
      await answers(`${network}.2`);
    },
    async stop() {
      if (child?.exitCode === null && child.signalCode === null) {
        const ended = once(child, 'exit');
        child.kill('SIGKILL');
        await ended;
      }
      await disks();
    },
    async remove() {
      child?.kill('SIGKILL');
      await run('ip', ['link', 'delete', 'dev', tap]);
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** Returns when the seat's workspace server says that it is well. */
export async function answers(host: string): Promise<void> {
  const deadline = performance.now() + ANSWER_MS;
  while ((await statusOf(host)) !== 200) {
    if (performance.now() > deadline) throw new Error(`${host} does not answer.`);
    await pause(20);
  }
}

function statusOf(host: string): Promise<number | undefined> {
  return new Promise((resolve) => {
    const asked = request({ host, port: TERMINAL_PORT, path: HEALTH_PATH, agent: false, timeout: 1_000 });
    asked.on('error', () => resolve(undefined));
    asked.on('timeout', () => asked.destroy());
    asked.on('response', (response) => {
      response.resume();
      response.on('error', () => {});
      resolve(response.statusCode);
    });
    asked.end();
  });
}
