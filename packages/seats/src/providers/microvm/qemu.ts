import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { lchown, open, readFile, rename, stat } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import type { VmLimits } from './cgroup.ts';
import { processorIdentity } from './processor.ts';
import { connectQmp } from './qmp.ts';
import { type Rate, SEAT_RATES, type SeatRates } from './rates.ts';
import { namespaceOf, TAP } from './vm-namespace.ts';
import {
  CONSOLE_LOG,
  hasPrinted,
  hasSaid,
  killVm,
  launch,
  processorSeconds,
  vmEnded,
  vmState,
  WORK,
} from './vm-process.ts';
import type { VmConfig, Vmm } from './vmm.ts';

export const QEMU = 'qemu-system-x86_64';
const FIRST_FILE = 3;
const SAVED_END_MS = 5_000;
const CONSOLE_SOCKET = 'console.sock';
const QMP_SOCKET = 'qmp.sock';
/** Where a guest that is to be saved has its memory, and sends its state. */
const MEMORY = 'memory';
const STATE_SOCKET = 'state.sock';
/** Memory is mapped from its file, not read. */
const SHARED_MEMORY = { capabilities: [{ capability: 'x-ignore-shared', state: true }] };

/**
 * QEMU's `microvm` machine: under KVM, or in software where there is no KVM that runs a guest. What its
 * guests take of their disks is limited here; of the network, at their ports of the bridge.
 */
export async function qemu(acceleration: Vmm['acceleration'], rates: SeatRates = SEAT_RATES): Promise<Vmm> {
  const tscKhz = acceleration === 'emulation' ? await tscOfThisMachine() : undefined;
  return {
    name: 'qemu',
    acceleration,
    hostRate: rates.network.bytes,
    start: async (config, signal) => {
      const { directory, uid, begin } = config;
      const files = inherited(config);
      await launch(
        {
          directory,
          command: [QEMU, ...qemuArguments(config, { acceleration, tscKhz }, rates)],
          files,
          uid,
          gid: acceleration === 'kvm' ? (await stat('/dev/kvm')).gid : undefined,
          limits: qemuLimits(config, acceleration),
          namespace: namespaceOf(config),
        },
        signal,
      );
      if (begin?.kind !== 'copy') return;
      try {
        await using qmp = await connectQmp(join(directory, WORK, QMP_SOCKET), signal);
        await qmp.execute('migrate-set-capabilities', SHARED_MEMORY);
        await qmp.execute('migrate-incoming', { uri: `fd:${numberOf(files, begin.of.state)}` });
        await qmp.reach('query-status', 'paused', ['inmigrate']);
        await qmp.execute('cont');
      } catch (error) {
        await killVm(directory);
        throw error;
      }
    },
    snapshots: {
      dependsOn: await dependsOn(acceleration),
      memory: 'sealed',
      save: async (config, into, signal) => {
        const { directory } = config;
        await using qmp = await connectQmp(join(directory, WORK, QMP_SOCKET), signal);
        await qmp.execute('stop');
        await qmp.execute('migrate-set-capabilities', SHARED_MEMORY);
        const state = await receive(join(directory, WORK), STATE_SOCKET, {
          into: into.state,
          uid: config.uid,
        });
        try {
          await qmp.execute('migrate', { uri: `unix:${STATE_SOCKET}` });
          await qmp.reach('query-migrate', 'completed', ['setup', 'active', 'device', 'pre-switchover']);
          await state.whole;
        } finally {
          await state.close();
        }
        // It ends before it has answered, or after.
        await qmp.execute('quit').catch(() => {});
        if (!(await vmEnded(directory, SAVED_END_MS))) await killVm(directory);
        await rename(join(directory, WORK, MEMORY), into.memory);
      },
      waits: (directory) => hasPrinted(directory, 'clarateach: waits'),
      wake: (directory) => say(directory, 'go\n'),
    },
    state: vmState,
    hasSaid,
    processorSeconds,
    leave: async (directory, graceMs) => {
      await say(directory, 'leave\n');
      return vmEnded(directory, graceMs);
    },
    kill: killVm,
  };
}

/** QEMU beside its guest: its own devices, and in software the translated code and a thread that makes it. */
function qemuLimits({ memoryMiB, cpus }: VmConfig, acceleration: Vmm['acceleration']): VmLimits {
  const software = acceleration === 'emulation';
  return { memoryMiB: memoryMiB + (software ? 256 : 128), cpus: Math.max(1, cpus), tasks: 128 };
}

const isElsewhere = ({ path }: { path: string }) => path.startsWith('/');

/** Files that the process inherits, from {@link FIRST_FILE} on. */
function inherited({ kernel, initrd, disks, begin }: VmConfig): string[] {
  const saved = begin?.kind === 'copy' ? [begin.of.memory, begin.of.state] : [];
  return [kernel, initrd, ...disks.filter(isElsewhere).map(({ path }) => path), ...saved];
}

const numberOf = (files: readonly string[], file: string) => FIRST_FILE + files.indexOf(file);

/** A saved guest is of this QEMU, and of a processor that can do the same. */
async function dependsOn(acceleration: Vmm['acceleration']): Promise<string> {
  const { stdout } = await promisify(execFile)(QEMU, ['--version']);
  return `${stdout.split('\n')[0]} ${acceleration} ${await processorIdentity()}`;
}

interface Acceleration {
  readonly acceleration: Vmm['acceleration'];
  /** Frequency of this machine's time stamp counter; undefined where it is not known. */
  readonly tscKhz: number | undefined;
  /** The tap that it opens: {@link TAP} when left out. */
  readonly tap?: string;
}

/** QEMU's arguments. Kernel, initrd and disks that lie elsewhere are inherited as open files from 3 on. */
export function qemuArguments(
  config: VmConfig,
  { acceleration, tscKhz, tap = TAP }: Acceleration,
  rates: SeatRates = SEAT_RATES,
): string[] {
  const files = inherited(config);
  // A guest that is to be saved is nobody's, and everybody waits for it.
  const throttling =
    config.begin?.kind === 'to-save'
      ? ''
      : throttled('bps', rates.disk.bytes) + throttled('iops', rates.disk.requests);
  const disks = config.disks.flatMap((disk) => {
    const file = isElsewhere(disk) ? `/dev/fd/${numberOf(files, disk.path)}` : disk.path;
    return [
      '-drive',
      `id=${disk.id},file=${file},format=raw,if=none,cache=writeback,discard=unmap${throttling}${disk.readOnly ? ',readonly=on' : ''}`,
      // The guest tells its disks apart by serial number: the order of virtio-mmio is QEMU's own affair.
      '-device',
      `virtio-blk-device,drive=${disk.id},serial=${disk.id}`,
    ];
  });
  const network =
    config.network === undefined
      ? []
      : [
          ...['-netdev', `tap,id=n0,ifname=${tap},script=no,downscript=no`],
          ...['-device', `virtio-net-device,netdev=n0,mac=${config.network.mac}`],
        ];
  // In software a second processor costs memory and hangs some boots, and brings nothing.
  const cpus = acceleration === 'kvm' ? Math.max(1, Math.round(config.cpus)) : 1;
  const { machine, memory } = memoryArguments(config, files);
  return [
    ...['-name', config.name, '-M', `microvm,acpi=on${machine}`],
    ...(acceleration === 'kvm'
      ? ['-accel', 'kvm', '-cpu', 'host']
      : ['-accel', 'tcg,thread=multi,tb-size=64', '-cpu', 'max']),
    ...['-smp', `${cpus}`, '-m', `${config.memoryMiB}`],
    ...['-kernel', '/dev/fd/3', '-initrd', '/dev/fd/4', '-append', commandLine(config, tscKhz)],
    ...['-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot'],
    ...['-sandbox', 'on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny'],
    ...[
      '-chardev',
      `socket,id=console,path=${CONSOLE_SOCKET},server=on,wait=off,logfile=${CONSOLE_LOG},logappend=on`,
      '-serial',
      'chardev:console',
    ],
    ...disks,
    ...network,
    ...memory,
  ];
}

/** QEMU's bucket holds the burst, and runs out at the rate. */
function throttled(what: 'bps' | 'iops', { perSecond, burst }: Rate): string {
  return `,throttling.${what}-total=${perSecond},throttling.${what}-total-max=${Math.max(burst, perSecond)}`;
}

/** Where the guest's memory is: with QEMU, or in a file that is, or becomes, that of many. */
function memoryArguments({ begin, memoryMiB }: VmConfig, files: readonly string[]) {
  if (begin === undefined || begin.kind === 'boot') return { machine: '', memory: [] };
  const [path, share] =
    begin.kind === 'to-save' ? [MEMORY, 'on'] : [`/dev/fd/${numberOf(files, begin.of.memory)}`, 'off'];
  return {
    machine: ',memory-backend=m0',
    memory: [
      ...['-object', `memory-backend-file,id=m0,size=${memoryMiB}M,mem-path=${path},share=${share}`],
      ...['-qmp', `unix:${QMP_SOCKET},server=on,wait=off`],
      ...(begin.kind === 'copy' ? ['-incoming', 'defer'] : []),
    ],
  };
}

function commandLine({ parameters }: VmConfig, tscKhz: number | undefined): string {
  return [
    'console=ttyS0 quiet panic=-1 reboot=t audit=0 no_timer_check cryptomgr.notests transparent_hugepage=madvise',
    // Measuring the counter again in an emulated guest takes time, and hangs now and then.
    ...(tscKhz === undefined ? [] : [`tsc_early_khz=${tscKhz} tsc=reliable`]),
    ...Object.entries(parameters).map(([name, value]) => `${name}=${value}`),
  ].join(' ');
}

export async function tscOfThisMachine(): Promise<number | undefined> {
  return tscOf(await readFile('/proc/cpuinfo', 'utf8'));
}

/**
 * The frequency of the time stamp counter in kHz. A virtual machine's `cpu MHz` is just that; where
 * the processor tells its real frequency (`aperfmperf`), it is another number, and this undefined.
 */
export function tscOf(cpuinfo: string): number | undefined {
  const flags = /^flags\s*:(.*)$/m.exec(cpuinfo)?.[1]?.split(' ') ?? [];
  const mhz = /^cpu MHz\s*:\s*(\d+)\.(\d{3})/m.exec(cpuinfo);
  if (!mhz || !flags.includes('constant_tsc') || flags.includes('aperfmperf')) return undefined;
  return Number(mhz[1]) * 1000 + Number(mhz[2]);
}

/** Takes one connection on a socket of the VM's user, and writes all that comes to a file. */
async function receive(
  directory: string,
  name: string,
  { into, uid }: { into: string; uid: number | undefined },
): Promise<{ whole: Promise<void>; close(): Promise<void> }> {
  const handle = await open(directory);
  const { promise: whole, resolve, reject } = Promise.withResolvers<void>();
  whole.catch(() => {});
  const server = createServer((socket) => {
    server.close();
    pipeline(socket, createWriteStream(into, { mode: 0o600 })).then(resolve, reject);
  });
  server.on('error', reject);
  const path = join('/proc/self/fd', `${handle.fd}`, name);
  server.listen(path);
  await once(server, 'listening');
  if (uid !== undefined) await lchown(path, uid, uid);
  return {
    whole,
    close: async () => {
      server.close();
      await handle.close();
    },
  };
}

/** Writes to the guest's console. */
async function say(directory: string, words: string): Promise<void> {
  // By way of an open directory: the path of a socket holds 107 bytes, and a data directory may be deeper.
  const handle = await open(join(directory, WORK)).catch(() => undefined);
  if (!handle) return;
  try {
    await new Promise<void>((resolve) => {
      const socket = connect(join('/proc/self/fd', `${handle.fd}`, CONSOLE_SOCKET));
      // A VM that is not there has nothing to be told.
      socket.on('error', () => resolve());
      socket.on('connect', () => socket.end(words));
      socket.on('close', () => resolve());
      socket.setTimeout(5_000, () => socket.destroy());
      socket.resume();
    });
  } finally {
    await handle.close();
  }
}
