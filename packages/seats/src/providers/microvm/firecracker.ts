import { stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { until } from '../local/processes.ts';
import { askFirecracker, type FirecrackerRequest, listens } from './firecracker-api.ts';
import {
  firecrackerDependsOn,
  firecrackerVersion,
  loadCopy,
  makeConsoleInput,
  NETWORK_DEVICE,
  saveGuest,
  sayOnConsole,
} from './firecracker-snapshots.ts';
import {
  type GuestFiles,
  type Jail,
  jailedCommand,
  jailedFiles,
  jailedSocket,
  makeJail,
  removeSockets,
  rootOf,
} from './jail.ts';
import { type Rate, SEAT_RATES } from './rates.ts';
import { namespaceOf, TAP } from './vm-namespace.ts';
import {
  CONSOLE_LOG,
  hasPrinted,
  hasSaid,
  killVm,
  launch,
  notStarted,
  processorSeconds,
  vmEnded,
  vmState,
  WORK,
} from './vm-process.ts';
import type { VmConfig, Vmm } from './vmm.ts';

export const FIRECRACKER = 'firecracker';
const SOCKET = 'firecracker.sock';
const SOCKET_DEADLINE_MS = 5_000;
const bucket = ({ perSecond, burst }: Rate) => ({
  size: perSecond,
  one_time_burst: burst,
  refill_time: 1_000,
});
const DRIVE_LIMIT = { bandwidth: bucket(SEAT_RATES.disk.bytes), ops: bucket(SEAT_RATES.disk.requests) };
const NETWORK_LIMIT = { bandwidth: bucket(SEAT_RATES.network.bytes) };

/**
 * Firecracker on KVM, one process for each VM, with its own seccomp filters on. With a jail, VMs that
 * are to have a user of their own run in it.
 */
export async function firecracker(program: string = FIRECRACKER, jail?: Jail): Promise<Vmm> {
  const version = await firecrackerVersion(program);
  const socketOf = async (directory: string) =>
    (await jailedSocket(directory)) ?? join(directory, WORK, SOCKET);
  const kill = async (directory: string) => {
    await killVm(directory);
    await removeSockets(directory);
  };
  return {
    name: 'firecracker',
    acceleration: 'kvm',
    start: async (config, signal) => {
      const { directory, begin } = config;
      const gid = await stat('/dev/kvm').then(
        ({ gid }) => gid,
        () => undefined,
      );
      const { memoryMiB, cpus } = config;
      const namespace = namespaceOf(config);
      // Beside the guest: Firecracker itself, which says that it needs a twentieth of this.
      const limits = { memoryMiB: memoryMiB + 64, cpus: Math.max(1, cpus), tasks: 64 };
      const files = jail && config.uid !== undefined ? jailedFiles(config) : inheritedFiles(config);
      try {
        const waits = begin !== undefined && begin.kind !== 'boot';
        const input = waits ? await makeConsoleInput(directory) : undefined;
        if (jail && config.uid !== undefined) {
          const { uid } = config;
          await makeJail(config, { jail, program, uid });
          const command = jailedCommand(config, { jail, program, uid, gid: uid, console: CONSOLE_LOG });
          await launch({ directory, command, files: [], input, uid: undefined, limits, namespace }, signal);
        } else {
          // The guest's console is Firecracker's own output; the shell leads it into the VM's directory.
          const shell = ['/bin/sh', '-c', `exec "$@" >>${CONSOLE_LOG}`, 'clarateach-vm'];
          const command = [...shell, program, '--api-sock', SOCKET, '--id', config.name];
          const open = filesToInherit(config);
          await launch(
            { directory, command, files: open, input, uid: config.uid, gid, limits, namespace },
            signal,
          );
        }
        const socket = await socketOf(directory);
        const decided = async () => (await listens(socket)) || (await vmState(directory)).state !== 'running';
        await until(decided, { withinMs: SOCKET_DEADLINE_MS, signal });
        if (!(await listens(socket))) throw await notStarted(config);
        if (begin?.kind === 'copy') {
          await loadCopy(socket, { files, signal });
          return;
        }
        for (const request of firecrackerRequests(config, files)) {
          await askFirecracker(socket, request, { signal });
        }
      } catch (error) {
        // A VMM that was not told everything is no VM.
        await kill(directory);
        throw error;
      }
    },
    snapshots: {
      dependsOn: await firecrackerDependsOn(version, jail !== undefined),
      // It opens what it maps for reading only, and its user may not write to it.
      memory: 'file',
      save: async (config, into, signal) => {
        const { directory } = config;
        const jailed = jail !== undefined && config.uid !== undefined;
        const place = jailed
          ? { outside: rootOf(config, program), inside: '/' }
          : { outside: join(directory, WORK), inside: '.' };
        await saveGuest(await socketOf(directory), into, { place, end: () => kill(directory), signal });
      },
      // To its end: copies of a guest that was saved amid a line could print no other.
      waits: (directory) => hasPrinted(directory, 'clarateach: waits\r\n'),
      wake: (directory) => sayOnConsole(directory, 'go\n'),
    },
    state: vmState,
    hasSaid,
    processorSeconds,
    leave: async (directory, graceMs) => {
      const action = { method: 'PUT', path: '/actions', body: { action_type: 'SendCtrlAltDel' } } as const;
      // One that does not answer is killed by whoever asked it to leave.
      await askFirecracker(await socketOf(directory), action).catch(() => {});
      return vmEnded(directory, graceMs);
    },
    kill,
  };
}

/** Without a jail, the VM's files are inherited open, from 3 on. */
function filesToInherit({ directory, kernel, initrd, disks, begin }: VmConfig): string[] {
  const saved = begin?.kind === 'copy' ? [begin.of.memory, begin.of.state] : [];
  return [kernel, initrd, ...disks.map(({ path }) => resolve(directory, WORK, path)), ...saved];
}

/** The disks' names are the same wherever they lie, as copies of a guest need them to be. */
function inheritedFiles({ disks, begin }: VmConfig): GuestFiles {
  const file = (index: number) => `/proc/self/fd/${3 + index}`;
  const afterDisks = 2 + disks.length;
  return {
    kernel: file(0),
    initrd: file(1),
    disks: disks.map((_, index) => file(2 + index)),
    saved: begin?.kind === 'copy' ? { memory: file(afterDisks), state: file(afterDisks + 1) } : undefined,
  };
}

/** All that Firecracker is told before a VM runs, and the start: to be sent in this order. */
export function firecrackerRequests(
  config: VmConfig,
  files: GuestFiles = inheritedFiles(config),
): FirecrackerRequest[] {
  const put = (path: string, body: FirecrackerRequest['body']): FirecrackerRequest => ({
    method: 'PUT',
    path,
    body,
  });
  return [
    put('/machine-config', {
      vcpu_count: processors(config.cpus),
      mem_size_mib: config.memoryMiB,
      smt: false,
    }),
    put('/boot-source', {
      kernel_image_path: files.kernel,
      initrd_path: files.initrd,
      boot_args: [
        'console=ttyS0 quiet panic=-1 reboot=k audit=0 cryptomgr.notests transparent_hugepage=madvise',
        // No probing of what Firecracker's keyboard controller, which takes Ctrl-Alt-Del, does not have.
        'i8042.noaux i8042.nomux i8042.dumbkbd',
        ...Object.entries(config.parameters).map(([name, value]) => `${name}=${value}`),
      ].join(' '),
    }),
    ...config.disks.map((disk, index) =>
      put(`/drives/${disk.id}`, {
        drive_id: disk.id,
        path_on_host: files.disks[index],
        // The guest starts from the initrd, which puts its root together.
        is_root_device: false,
        is_read_only: disk.readOnly,
        // What the guest syncs is to be on the disk; what can be made again need not be.
        cache_type: disk.id === 'workspace' ? 'Writeback' : 'Unsafe',
        rate_limiter: DRIVE_LIMIT,
      }),
    ),
    ...(config.network === undefined
      ? []
      : [
          put(`/network-interfaces/${NETWORK_DEVICE}`, {
            iface_id: NETWORK_DEVICE,
            host_dev_name: TAP,
            guest_mac: config.network.mac,
            rx_rate_limiter: NETWORK_LIMIT,
            tx_rate_limiter: NETWORK_LIMIT,
          }),
        ]),
    put('/entropy', {}),
    put('/actions', { action_type: 'InstanceStart' }),
  ];
}

/** One, or an even number up to 32: what Firecracker takes. */
function processors(cpus: number): number {
  const whole = Math.max(1, Math.round(cpus));
  return whole === 1 ? 1 : Math.min(32, whole + (whole % 2));
}
