import type Dockerode from 'dockerode';

type Container = Dockerode.ContainerInspectInfo;

interface Rule {
  /** Number of the recommendation in section 5 of the CIS Docker Benchmark 1.6. */
  readonly number: string;
  readonly what: string;
  readonly holds: (container: Container) => boolean;
}

const SENSITIVE = ['/', '/boot', '/dev', '/etc', '/lib', '/proc', '/sys', '/usr', '/var', '/root', '/home'];

const host = ({ HostConfig }: Container) => HostConfig as Container['HostConfig'] & Record<string, unknown>;
const options = (container: Container): readonly string[] => host(container).SecurityOpt ?? [];
const binds = (container: Container) => container.Mounts.filter(({ Type }) => Type === 'bind');

/**
 * The container runtime's recommendations as they apply to a seat. Left out, with the reason: 5.2 and
 * 5.3 (SELinux and AppArmor are the host's to have; the engine's default profile is not turned off),
 * 5.6 (no ssh daemon is in the image, which the image's own tests see), 5.15 (no restarts, checked
 * here as 0), 5.27 (the provider itself looks at the seat's health), 5.28 (pulls never happen).
 */
const RULES: readonly Rule[] = [
  {
    number: '5.1',
    what: 'no unneeded swarm or plug-in mode',
    holds: (each) => !each.HostConfig.Runtime || each.HostConfig.Runtime === 'runc',
  },
  {
    number: '5.2',
    what: 'the AppArmor profile is not turned off',
    holds: (each) => !options(each).includes('apparmor=unconfined'),
  },
  {
    number: '5.3',
    what: 'SELinux is not turned off',
    holds: (each) => !options(each).includes('label=disable'),
  },
  {
    number: '5.4',
    what: 'all capabilities are dropped',
    holds: (each) =>
      each.HostConfig.CapDrop?.includes('ALL') === true && (each.HostConfig.CapAdd ?? []).length === 0,
  },
  { number: '5.5', what: 'not privileged', holds: (each) => !each.HostConfig.Privileged },
  {
    number: '5.6',
    what: 'no directory of the host is mounted',
    holds: (each) =>
      binds(each).every(({ Source }) => !SENSITIVE.includes(Source)) && binds(each).length === 0,
  },
  {
    number: '5.8',
    what: 'no privileged port is mapped',
    holds: (each) => Object.keys(each.HostConfig.PortBindings ?? {}).length === 0,
  },
  {
    number: '5.9',
    what: 'no port is published',
    holds: (each) =>
      !each.HostConfig.PublishAllPorts &&
      Object.values(each.NetworkSettings.Ports ?? {}).every((port) => port === null),
  },
  {
    number: '5.10',
    what: "not in the host's network",
    holds: (each) => each.HostConfig.NetworkMode !== 'host',
  },
  {
    number: '5.11',
    what: 'memory is bounded, with swap',
    holds: ({ HostConfig }) => (HostConfig.Memory ?? 0) > 0 && HostConfig.MemorySwap === HostConfig.Memory,
  },
  {
    number: '5.12',
    what: 'processor time is bounded',
    holds: ({ HostConfig }) => (HostConfig.NanoCpus ?? 0) > 0 || (HostConfig.CpuShares ?? 0) > 0,
  },
  {
    number: '5.13',
    what: 'the root file system is read-only',
    holds: (each) => each.HostConfig.ReadonlyRootfs === true,
  },
  {
    number: '5.15',
    what: 'restarts are bounded',
    holds: (each) => ['', 'no'].includes(each.HostConfig.RestartPolicy?.Name ?? ''),
  },
  { number: '5.16', what: "not among the host's processes", holds: (each) => host(each).PidMode !== 'host' },
  { number: '5.17', what: "not in the host's IPC", holds: (each) => each.HostConfig.IpcMode === 'private' },
  {
    number: '5.18',
    what: 'no device of the host',
    holds: (each) => (each.HostConfig.Devices ?? []).length === 0,
  },
  {
    number: '5.19',
    what: 'open files and core dumps are bounded',
    holds: (each) =>
      ['nofile', 'core'].every((name) => each.HostConfig.Ulimits?.some(({ Name }) => Name === name)),
  },
  {
    number: '5.20',
    what: 'no mount is shared with the host',
    holds: (each) =>
      each.Mounts.every(({ Propagation }) => Propagation !== 'shared' && Propagation !== 'rshared'),
  },
  { number: '5.21', what: "not in the host's UTS", holds: (each) => host(each).UTSMode !== 'host' },
  {
    number: '5.22',
    what: 'the seccomp profile is not turned off',
    holds: (each) => !options(each).some((option) => /seccomp[=:]unconfined/.test(option)),
  },
  { number: '5.25', what: 'no cgroup of another', holds: (each) => !host(each).CgroupParent },
  {
    number: '5.26',
    what: 'no new privileges',
    holds: (each) => options(each).some((option) => /^no-new-privileges([:=]true)?$/.test(option)),
  },
  {
    number: '5.29',
    what: "not on the engine's default bridge",
    holds: ({ HostConfig }) => !['', 'default', 'bridge'].includes(HostConfig.NetworkMode ?? ''),
  },
  { number: '5.30', what: 'processes are bounded', holds: (each) => (each.HostConfig.PidsLimit ?? 0) > 0 },
  {
    number: '5.31',
    what: "not in the host's user namespace by choice",
    holds: (each) => host(each).UsernsMode !== 'host',
  },
  {
    number: '5.32',
    what: 'no engine socket is mounted',
    holds: (each) => each.Mounts.every(({ Source }) => !/docker\.sock|containerd\.sock/.test(Source)),
  },
  {
    number: '4.1',
    what: 'an ordinary user',
    holds: ({ Config }) => !['', '0', 'root', '0:0'].includes(Config.User),
  },
];

/** Recommendations that a container does not follow. */
export function cisFindings(container: Container): string[] {
  return RULES.filter(({ holds }) => !holds(container)).map(({ number, what }) => `${number}: ${what}`);
}

export const CIS_RULES: readonly string[] = RULES.map(({ number }) => number);
