import { isIP } from 'node:net';
import { resolve } from 'node:path';
import type { SettingsReader } from '@clarateach/contract/settings';
import type { Bridge } from './network.ts';

export interface MicrovmSettings {
  /** Kernel, first root and root disk of the guests. */
  readonly imagesDirectory: string;
  /** Undefined: the first name and network that nobody on this machine uses. */
  readonly bridge: Bridge | undefined;
}

export const DEFAULT_IMAGES_DIRECTORY = '/var/lib/clarateach/images';

/** `IMAGES_DIR`, `BRIDGE_NAME` and `BRIDGE_IP`, for server and agent alike. */
export function readMicrovmSettings(read: SettingsReader['read'], workingDirectory: string): MicrovmSettings {
  return {
    imagesDirectory: read('IMAGES_DIR', DEFAULT_IMAGES_DIRECTORY, (value) =>
      resolve(workingDirectory, value),
    ),
    bridge: bridge(
      read<string | undefined>('BRIDGE_NAME', undefined, bridgeName),
      read<string | undefined>('BRIDGE_IP', undefined, bridgeIp),
    ),
  };
}

/** Either of the two has the other by default. */
function bridge(name: string | undefined, address: string | undefined): Bridge | undefined {
  if (name === undefined && address === undefined) return undefined;
  return { name: name ?? 'clarateach0', address: address ?? '192.168.100.1/24' };
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
