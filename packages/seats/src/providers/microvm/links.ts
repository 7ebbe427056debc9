import { access, readdir, readFile, writeFile } from 'node:fs/promises';
import { ProviderError } from '../../provider.ts';
import { ProgramFailed, runProgram } from './run-program.ts';

/** Network interfaces of this machine. */

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

/** A bridge that was made and nothing more: whoever made it was killed before it could say whose it is. */
export async function isAbandoned(name: string): Promise<boolean> {
  const [flags, ports] = await Promise.all([
    readFile(`/sys/class/net/${name}/flags`, 'utf8').catch(() => '0x1'),
    readdir(`/sys/class/net/${name}/brif`).catch(() => undefined),
  ]);
  const isUp = (Number(flags) & 1) === 1;
  return !isUp && ports?.length === 0;
}

export async function removeLink(name: string): Promise<void> {
  const exists = await access(`/sys/class/net/${name}`).then(
    () => true,
    () => false,
  );
  if (!exists) return;
  try {
    await runProgram('ip', ['link', 'delete', 'dev', name]);
  } catch (error) {
    if (!(error instanceof ProgramFailed && /Cannot find device/.test(error.said))) throw error;
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

export function ipBatch(lines: readonly string[]): Promise<string> {
  return runProgram('ip', ['-batch', '-'], `${lines.join('\n')}\n`);
}

export async function switchOn(file: string): Promise<void> {
  const value = await readFile(file, 'utf8').catch(() => undefined);
  if (value === undefined || value.trim() === '1') return;
  await writeFile(file, '1');
}
