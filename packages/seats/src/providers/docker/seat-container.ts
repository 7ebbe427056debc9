import { seatName } from '@clarateach/contract/ids';
import type Dockerode from 'dockerode';
import type { SeatSpec } from '../../provider.ts';
import { type Labels, seatLabels } from './labels.ts';

const MIB = 1024 * 1024;
const TMP_MIB = 256;
const RUN_MIB = 16;

interface SeatContainerOptions {
  readonly installation: string;
  /** The image of a seat that names none. */
  readonly image: string;
  /** Name servers for the seats; the engine's own choice when empty. */
  readonly resolvers: readonly string[];
  /** What a seat may keep in /workspace; undefined: as much as the engine's disk holds. */
  readonly diskMiB: number | undefined;
}

/**
 * The container of a seat: no privileges, no writable place but its volume and two small tmpfs, and
 * bounds on all that it can use. No capability comes back: with no-new-privileges set-uid programs gain
 * nothing anyway.
 */
export function seatContainer(
  spec: SeatSpec,
  options: SeatContainerOptions,
): Dockerode.ContainerCreateOptions {
  const { limits } = spec;
  const name = seatName(spec.id);
  const labels: Labels = seatLabels(options.installation, spec.id);
  const number = String(spec.id.seat);
  return {
    name,
    Image: spec.image ?? options.image,
    Hostname: `seat-${number.padStart(2, '0')}`,
    User: '1000:1000',
    WorkingDir: '/workspace',
    Env: Object.entries({ ...spec.env, WORKSPACE_DIR: '/workspace', SEAT: number }).map(
      ([variable, value]) => `${variable}=${value}`,
    ),
    Labels: { ...labels },
    StopTimeout: 2,
    HostConfig: {
      Init: true,
      NetworkMode: name,
      IpcMode: 'private',
      CapDrop: ['ALL'],
      SecurityOpt: ['no-new-privileges:true'],
      ReadonlyRootfs: true,
      // Pages of a tmpfs count against the seat's memory.
      Tmpfs: {
        '/tmp': `rw,nosuid,nodev,size=${TMP_MIB}m,mode=1777`,
        '/run': `rw,nosuid,nodev,noexec,size=${RUN_MIB}m,mode=0755,uid=1000,gid=1000`,
      },
      Mounts: [
        {
          Type: 'volume',
          Source: name,
          Target: '/workspace',
          VolumeOptions: {
            NoCopy: false,
            Labels: { ...labels },
            DriverConfig: { Name: 'local', Options: volumeBounds(options.diskMiB) },
          },
        },
      ],
      Memory: limits.memoryMiB * MIB,
      // Equal to the memory: a seat does not swap.
      MemorySwap: limits.memoryMiB * MIB,
      NanoCpus: Math.round(limits.cpus * 1e9),
      PidsLimit: limits.processes,
      Ulimits: [
        { Name: 'nofile', Soft: limits.openFiles, Hard: limits.openFiles },
        { Name: 'core', Soft: 0, Hard: 0 },
      ],
      // The reconciler brings seats back; the engine must not race it.
      RestartPolicy: { Name: 'no' },
      LogConfig: { Type: 'json-file', Config: { 'max-size': '1m', 'max-file': '1' } },
      ...(options.resolvers.length > 0 ? { Dns: [...options.resolvers] } : {}),
    },
  };
}

/** Options of the engine's local volume driver, which needs project quotas of its file system for a size. */
export function volumeBounds(diskMiB: number | undefined): Record<string, string> {
  return diskMiB === undefined ? {} : { size: `${diskMiB}M` };
}
