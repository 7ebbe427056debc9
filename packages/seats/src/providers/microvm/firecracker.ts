import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { until } from '../local/processes.ts';
import { askFirecracker, type FirecrackerRequest, listens } from './firecracker-api.ts';
import {
  CONSOLE_LOG,
  hasBegun,
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

/** Firecracker on KVM, one process for each VM, with its own seccomp filters on. */
export function firecracker(program: string = FIRECRACKER): Vmm {
  return {
    name: 'firecracker',
    acceleration: 'kvm',
    start: async (config, signal) => {
      const { directory } = config;
      const socket = join(directory, WORK, SOCKET);
      // The guest's console is Firecracker's own output; the shell leads it into the VM's directory.
      const command = ['/bin/sh', '-c', `exec "$@" >${CONSOLE_LOG}`, 'clarateach-vm'];
      await launch(
        {
          directory,
          command: [...command, program, '--api-sock', SOCKET, '--id', config.name],
          files: [config.kernel, config.initrd, ...config.disks.filter(isElsewhere).map(({ path }) => path)],
          uid: config.uid,
          gid: await stat('/dev/kvm').then(
            ({ gid }) => gid,
            () => undefined,
          ),
        },
        signal,
      );
      try {
        if (!(await until(() => listens(socket), { withinMs: SOCKET_DEADLINE_MS, signal })))
          throw await notStarted(config);
        for (const request of firecrackerRequests(config)) {
          signal.throwIfAborted();
          await askFirecracker(socket, request);
        }
      } catch (error) {
        // A VMM that was not told everything is no VM.
        await killVm(directory);
        throw error;
      }
    },
    state: vmState,
    hasBegun,
    processorSeconds,
    leave: async (directory, graceMs) => {
      const action = { method: 'PUT', path: '/actions', body: { action_type: 'SendCtrlAltDel' } } as const;
      // One that does not answer is killed by whoever asked it to leave.
      await askFirecracker(join(directory, WORK, SOCKET), action).catch(() => {});
      return vmEnded(directory, graceMs);
    },
    kill: killVm,
  };
}

const isElsewhere = ({ path }: { path: string }) => path.startsWith('/');

/** All that Firecracker is told before a VM runs, and the start: to be sent in this order. */
export function firecrackerRequests(config: VmConfig): FirecrackerRequest[] {
  let fd = 5;
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
      kernel_image_path: '/proc/self/fd/3',
      initrd_path: '/proc/self/fd/4',
      boot_args: [
        'console=ttyS0 quiet panic=-1 reboot=k audit=0 cryptomgr.notests',
        // No probing of what Firecracker's keyboard controller, which takes Ctrl-Alt-Del, does not have.
        'i8042.noaux i8042.nomux i8042.dumbkbd',
        ...Object.entries(config.parameters).map(([name, value]) => `${name}=${value}`),
      ].join(' '),
    }),
    ...config.disks.map((disk) =>
      put(`/drives/${disk.id}`, {
        drive_id: disk.id,
        path_on_host: isElsewhere(disk) ? `/proc/self/fd/${fd++}` : disk.path,
        // The guest starts from the initrd, which puts its root together.
        is_root_device: false,
        is_read_only: disk.readOnly,
        // What the guest syncs is to be on the disk; what can be made again need not be.
        cache_type: disk.id === 'workspace' ? 'Writeback' : 'Unsafe',
      }),
    ),
    ...(config.network === undefined
      ? []
      : [
          put('/network-interfaces/eth0', {
            iface_id: 'eth0',
            host_dev_name: config.network.tap,
            guest_mac: config.network.mac,
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
