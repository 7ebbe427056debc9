import { open, readFile, stat } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import type { VmLimits } from './cgroup.ts';
import {
  CONSOLE_LOG,
  hasBegun,
  killVm,
  launch,
  processorSeconds,
  vmEnded,
  vmState,
  WORK,
} from './vm-process.ts';
import type { VmConfig, Vmm } from './vmm.ts';

export const QEMU = 'qemu-system-x86_64';
const CONSOLE_SOCKET = 'console.sock';

/** QEMU's `microvm` machine: under KVM, or in software where there is no KVM that runs a guest. */
export async function qemu(acceleration: Vmm['acceleration']): Promise<Vmm> {
  const tscKhz = acceleration === 'emulation' ? tscOf(await readFile('/proc/cpuinfo', 'utf8')) : undefined;
  return {
    name: 'qemu',
    acceleration,
    start: async (config, signal) => {
      await launch(
        {
          directory: config.directory,
          command: [QEMU, ...qemuArguments(config, { acceleration, tscKhz })],
          files: [config.kernel, config.initrd, ...config.disks.filter(isElsewhere).map(({ path }) => path)],
          uid: config.uid,
          gid: acceleration === 'kvm' ? (await stat('/dev/kvm')).gid : undefined,
          limits: qemuLimits(config, acceleration),
        },
        signal,
      );
    },
    state: vmState,
    hasBegun,
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

interface Acceleration {
  readonly acceleration: Vmm['acceleration'];
  /** Frequency of this machine's time stamp counter; undefined where it is not known. */
  readonly tscKhz: number | undefined;
}

/** QEMU's arguments. Kernel, initrd and disks that lie elsewhere are inherited as open files from 3 on. */
export function qemuArguments(config: VmConfig, { acceleration, tscKhz }: Acceleration): string[] {
  let fd = 5;
  const disks = config.disks.flatMap((disk) => {
    const file = isElsewhere(disk) ? `/dev/fd/${fd++}` : disk.path;
    return [
      '-drive',
      `id=${disk.id},file=${file},format=raw,if=none,cache=writeback,discard=unmap${disk.readOnly ? ',readonly=on' : ''}`,
      // The guest tells its disks apart by serial number: the order of virtio-mmio is QEMU's own affair.
      '-device',
      `virtio-blk-device,drive=${disk.id},serial=${disk.id}`,
    ];
  });
  const network =
    config.network === undefined
      ? []
      : [
          ...['-netdev', `tap,id=n0,ifname=${config.network.tap},script=no,downscript=no`],
          ...['-device', `virtio-net-device,netdev=n0,mac=${config.network.mac}`],
        ];
  // In software a second processor costs memory and hangs some boots, and brings nothing.
  const cpus = acceleration === 'kvm' ? Math.max(1, Math.round(config.cpus)) : 1;
  return [
    ...['-name', config.name, '-M', 'microvm,acpi=on'],
    ...(acceleration === 'kvm'
      ? ['-accel', 'kvm', '-cpu', 'host']
      : ['-accel', 'tcg,thread=multi,tb-size=64', '-cpu', 'max']),
    ...['-smp', `${cpus}`, '-m', `${config.memoryMiB}`],
    ...['-kernel', '/dev/fd/3', '-initrd', '/dev/fd/4', '-append', commandLine(config, tscKhz)],
    ...['-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot'],
    ...['-sandbox', 'on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny'],
    ...[
      '-chardev',
      `socket,id=console,path=${CONSOLE_SOCKET},server=on,wait=off,logfile=${CONSOLE_LOG},logappend=off`,
      '-serial',
      'chardev:console',
    ],
    ...disks,
    ...network,
  ];
}

function commandLine({ parameters }: VmConfig, tscKhz: number | undefined): string {
  return [
    'console=ttyS0 quiet panic=-1 reboot=t audit=0 no_timer_check cryptomgr.notests',
    // Measuring the counter again in an emulated guest takes time, and hangs now and then.
    ...(tscKhz === undefined ? [] : [`tsc_early_khz=${tscKhz} tsc=reliable`]),
    ...Object.entries(parameters).map(([name, value]) => `${name}=${value}`),
  ].join(' ');
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
