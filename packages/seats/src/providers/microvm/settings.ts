import { createHash } from 'node:crypto';
import { isIP } from 'node:net';
import { join, resolve } from 'node:path';
import type { SettingsReader } from '@clarateach/contract/settings';
import type { Bridge } from './bridge-choice.ts';

export interface MicrovmSettings {
  /** Kernel, first root and root disk of the guests. */
  readonly imagesDirectory: string;
  /** Undefined: the first name and network that nobody on this machine uses. */
  readonly bridge: Bridge | undefined;
  /** Guests that are kept ready for new seats. */
  readonly warmSeats: number;
  /** Where the API sockets of jailed VMMs lie, private to root. */
  readonly socketDirectory: string;
}

export const DEFAULT_IMAGES_DIRECTORY = '/var/lib/clarateach/images';
export const DEFAULT_SOCKET_DIRECTORY = '/tmp/clarateach';
/** The path of a socket holds 107 bytes, of which a seat's name and the socket's take fifty. */
const LONGEST_SOCKET_DIRECTORY = 56;

/** The image that seats have when their workshop names none. */
export const SEAT_IMAGE = 'clarateach-workspace:latest';

/** The root disk that is made from a container image; of the seats' own image when it is left out. */
export function rootfsFile(imagesDirectory: string, image: string = SEAT_IMAGE): string {
  if (image === SEAT_IMAGE || image === SEAT_IMAGE.replace(/:latest$/, ''))
    return join(imagesDirectory, 'rootfs.ext4');
  const id = createHash('sha256').update(image).digest('hex');
  return join(imagesDirectory, `rootfs-${id.slice(0, 16)}.ext4`);
}

/** `IMAGES_DIR`, `BRIDGE_NAME`, `BRIDGE_IP`, `SOCKET_DIR` and `WARM_SEATS`, for server and agent alike. */
export function readMicrovmSettings(read: SettingsReader['read'], workingDirectory: string): MicrovmSettings {
  return {
    imagesDirectory: read('IMAGES_DIR', DEFAULT_IMAGES_DIRECTORY, (value) =>
      resolve(workingDirectory, value),
    ),
    bridge: bridge(
      read<string | undefined>('BRIDGE_NAME', undefined, bridgeName),
      read<string | undefined>('BRIDGE_IP', undefined, bridgeIp),
    ),
    socketDirectory: read('SOCKET_DIR', DEFAULT_SOCKET_DIRECTORY, (value) =>
      socketDirectory(resolve(workingDirectory, value)),
    ),
    warmSeats: read('WARM_SEATS', 0, warmSeats),
  };
}

/** Either of the two has the other by default. */
function bridge(name: string | undefined, address: string | undefined): Bridge | undefined {
  if (name === undefined && address === undefined) return undefined;
  return { name: name ?? 'clarateach0', address: address ?? '192.168.100.1/24' };
}

function socketDirectory(value: string): string {
  if (Buffer.byteLength(value) > LONGEST_SOCKET_DIRECTORY) {
    throw new Error(
      `is "${value}", too long for the paths of sockets. Give one of at most ${LONGEST_SOCKET_DIRECTORY} characters, such as ${DEFAULT_SOCKET_DIRECTORY}.`,
    );
  }
  return value;
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
