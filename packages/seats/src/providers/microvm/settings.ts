import { isIP } from 'node:net';
import { resolve } from 'node:path';
import type { Bridge } from './network.ts';

export interface MicrovmSettings {
  /** Kernel, first root and root disk of the guests. */
  readonly imagesDirectory: string;
  /** Undefined: the first name and network that nobody on this machine uses. */
  readonly bridge: Bridge | undefined;
  /** Guests that are kept ready for new seats. */
  readonly warmSeats: number;
}

export const DEFAULT_IMAGES_DIRECTORY = '/var/lib/clarateach/images';

/** Reads one setting: `fallback` when it is not set; what `parse` throws follows the setting's name. */
type Read = <T>(name: string, fallback: T, parse: (value: string) => T) => T;

/** `IMAGES_DIR`, `BRIDGE_NAME`, `BRIDGE_IP` and `WARM_SEATS`, for server and agent alike. */
export function readMicrovmSettings(read: Read, workingDirectory: string): MicrovmSettings {
  return {
    imagesDirectory: read('IMAGES_DIR', DEFAULT_IMAGES_DIRECTORY, (value) =>
      resolve(workingDirectory, value),
    ),
    bridge: bridge(
      read<string | undefined>('BRIDGE_NAME', undefined, bridgeName),
      read<string | undefined>('BRIDGE_IP', undefined, bridgeIp),
    ),
    warmSeats: read('WARM_SEATS', 0, warmSeats),
  };
}

/** Either of the two has the other by default. */
function bridge(name: string | undefined, address: string | undefined): Bridge | undefined {
  if (name === undefined && address === undefined) return undefined;
  return { name: name ?? 'clarateach0', address: address ?? '192.168.100.1/24' };
}

function warmSeats(value: string): number {
  if (!/^\d{1,2}$/.test(value)) {
    throw new Error(`is "${value}". Give the number of microVMs to keep ready, 0 to 99.`);
  }
  return Number(value);
}

function bridgeName(value: string): string {
  if (!/^[a-z][a-z0-9_-]{0,14}$/i.test(value)) {
    throw new Error(`is "${value}". Give the name of a network interface, such as clarateach0.`);
  }
  return value;
}

function bridgeIp(value: string): string {
  const [address = '', prefix = '', ...rest] = value.split('/');
  const bits = Number(prefix);
  if (isIP(address) !== 4 || !/^\d+$/.test(prefix) || bits < 16 || bits > 28 || rest.length > 0) {
    throw new Error(
      `is "${value}". Give the host's address in the seats' network with its prefix, /16 to /28, such as 192.168.100.1/24.`,
    );
  }
  return value;
}
