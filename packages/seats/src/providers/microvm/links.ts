import { access, readdir, readFile, writeFile } from 'node:fs/promises';
import { ProviderError } from '../../provider.ts';
import { ProgramFailed, runProgram } from './run-program.ts';

/** Network interfaces of this machine. */

/** Whether this machine passes IPv4 packets on. */
export const IP_FORWARD = '/proc/sys/net/ipv4/ip_forward';

export interface BridgePort {
  /** The port's own end of its pair. */
  readonly port: string;
  /** The hardware address of whoever is behind it. */
  readonly mac: string;
}

export async function requireTun(): Promise<void> {
  await access('/dev/net/tun').catch((cause: unknown) => {
    throw new ProviderError(
      'rejected',
      'This machine has no /dev/net/tun, which microVMs need for their network. Load the driver with `modprobe tun`; in a container, give it the device.',
      { cause },
    );
  });
}

/** The interface's alias, which says whose it is: empty for none; undefined without the interface. */
export async function aliasOf(name: string): Promise<string | undefined> {
  return readFile(`/sys/class/net/${name}/ifalias`, 'utf8').then(
    (text) => text.trim(),
    () => undefined,
  );
}

/** The interfaces with such an alias. */
export async function linksMarked(isMark: (alias: string) => boolean): Promise<string[]> {
  const names = await readdir('/sys/class/net');
  const aliases = await Promise.all(names.map(aliasOf));
  return names.filter((_, index) => isMark(aliases[index] ?? ''));
}

/** A bridge that was made and nothing more: whoever made it was killed before it could say whose it is. */
export async function isAbandoned(name: string): Promise<boolean> {
  const [flags, ports] = await Promise.all([
    readFile(`/sys/class/net/${name}/flags`, 'utf8').catch(() => '0x1'),
    readdir(`/sys/class/net/${name}/brif`).catch(() => undefined),
  ]);
  const isUp = (Number(flags) & 1) === 1;
  return !isUp && ports?.length === 0;
}

export function isLink(name: string): Promise<boolean> {
  return access(`/sys/class/net/${name}`).then(
    () => true,
    () => false,
  );
}

export async function removeLink(name: string): Promise<void> {
  if (!(await isLink(name))) return;
  try {
    await runProgram('ip', ['link', 'delete', 'dev', name]);
  } catch (error) {
    // It may go while it is looked up, with the namespace of its peer.
    if (!(error instanceof ProgramFailed && /Cannot find device|No such device/.test(error.said)))
      throw error;
  }
}

/** The end of a port's pair that a VM's network namespace takes in. Until then it is beside the port. */
export function peerOf(port: string): string {
  return `${port}-i`;
}

/** After: the pair of the port and its {@link peerOf peer} is there, and neither is up. */
export async function addPair(port: string): Promise<void> {
  try {
    await runProgram('ip', ['link', 'add', 'name', port, 'type', 'veth', 'peer', 'name', peerOf(port)]);
  } catch (error) {
    throw lacksPairs(error) ? noPairs(error) : error;
  }
}

/** Whether `ip` failed because the kernel knows no pairs. */
export function lacksPairs(error: unknown): boolean {
  return error instanceof ProgramFailed && /Unknown device type|Operation not supported/.test(error.said);
}

export function noPairs(cause: unknown): ProviderError {
  return new ProviderError(
    'rejected',
    'This machine has no pairs of virtual network devices, which microVMs need for their network. Load the driver with `modprobe veth`; in a container, load it on the host.',
    { cause },
  );
}

/** After: the port is on the bridge, and up, and {@link fencePort fenced}. */
export async function joinBridge(seat: BridgePort, bridge: string): Promise<void> {
  await ipBatch([`link set dev ${seat.port} master ${bridge}`]);
  await fencePort(seat);
  await ipBatch([`link set dev ${seat.port} up`]);
}

/**
 * After: the port gets no frames of other ports, and of those from the host only what is for its seat. A
 * bridge gives frames for one that it has not heard of to all ports, and forgets who has ended.
 */
export async function fencePort({ port, mac }: BridgePort): Promise<void> {
  await ipBatch([`link set dev ${port} type bridge_slave isolated on flood off learning off`]);
  await runProgram('bridge', ['fdb', 'replace', mac, 'dev', port, 'master', 'static']);
}

export function ipBatch(lines: readonly string[]): Promise<string> {
  return runProgram('ip', ['-batch', '-'], `${lines.join('\n')}\n`);
}

export async function switchOn(file: string): Promise<void> {
  const value = await readFile(file, 'utf8').catch(() => undefined);
  if (value === undefined || value.trim() === '1') return;
  await writeFile(file, '1');
}
