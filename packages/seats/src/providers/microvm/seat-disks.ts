import { randomBytes } from 'node:crypto';
import { chmod, lchown, open, rename, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { pack } from 'tar-stream';
import { ProviderError, type SeatSpec } from '../../provider.ts';
import { ProgramFailed, runProgram } from './run-program.ts';
import { rootfsFile } from './settings.ts';

const READ_BY_OTHERS = 0o004;
/** The learner's user and group in every guest. */
const LEARNER = 1000;

/**
 * After: the disk with the learner's files exists, and belongs to the VM's user. It is sparse: an
 * empty one takes up a few MiB.
 */
export async function ensureWorkspaceDisk(
  path: string,
  { bytes, uid }: { bytes: number; uid: number },
): Promise<void> {
  const exists = await stat(path).then(
    () => true,
    () => false,
  );
  if (!exists) {
    // Under another name first: a half-made disk is no seat's files.
    const next = `${path}.new`;
    await rm(next, { force: true });
    const journal = ['-J', 'size=4', '-E', `root_owner=${LEARNER}:${LEARNER}`, '-L', 'clarateach-files'];
    await makeExt4(next, bytes, journal);
    await chmod(next, 0o600);
    await rename(next, path);
  }
  await lchown(path, uid, uid);
}

/** The disk that takes what changes in the seat's system: made anew at each start, so it needs no journal. */
export async function makeChangesDisk(path: string, bytes: number): Promise<void> {
  await makeExt4(path, bytes, ['-O', '^has_journal', '-L', 'clarateach-change']);
}

async function makeExt4(path: string, bytes: number, options: readonly string[]): Promise<void> {
  try {
    await runProgram('mke2fs', ['-q', '-t', 'ext4', '-m', '0', ...options, path, `${bytes / 1024}k`]);
  } catch (error) {
    if (!(error instanceof ProgramFailed)) throw error;
    throw new ProviderError('capacity', `No disk could be made for the seat (${error.said}).`, {
      cause: error,
    });
  }
}

/** A disk, or the place of one, that says nothing. */
export async function writeBlank(path: string, bytes: number): Promise<void> {
  await writeFile(path, '', { mode: 0o600 });
  await truncate(path, bytes);
}

/** Of every seat, because a copied guest takes its disks to be as large as those of the one that was saved. */
export const CONFIG_BYTES = 512 * 1024;

/** What only this seat's guest may know of where and who it is. */
export interface GuestIdentity {
  /** With the length of its network's prefix. */
  readonly address: string;
  /** The host's address on the bridge. */
  readonly gateway: string;
  readonly mac: string;
}

/** Bounds on what a seat's programs use, which they have from their start. */
export type ProgramLimits = Pick<SeatSpec['limits'], 'processes' | 'openFiles'>;

/** What a guest is told of where it is. */
export interface GuestSettings {
  readonly resolvers: readonly string[];
  readonly identity: GuestIdentity;
}

/** Where the programs of a guest that is kept ready find whose it is. */
const LATER_SETTINGS = '/run/seat/settings.json';

/**
 * The small read-only disk with what only this seat's guest may know: an archive with its identity,
 * the environment, the name servers and a seed for its random numbers.
 */
export async function writeConfigDisk(
  path: string,
  { spec, ...settings }: GuestSettings & { readonly spec: SeatSpec },
): Promise<void> {
  const own = { ...spec.env, SEAT: `${spec.id.seat}` };
  await writeArchive(path, settings, {
    environment: { ...own, ...limitsOf(spec.limits) },
    identity: { SEAT_HOSTNAME: `seat-${String(spec.id.seat).padStart(2, '0')}` },
    files: { 'settings.json': JSON.stringify(own) },
  });
}

/** The same for a guest that is kept ready: whose it is, is written when somebody takes it. */
export async function writeNobodysDisk(
  path: string,
  { limits, ...settings }: GuestSettings & { readonly limits: ProgramLimits },
): Promise<void> {
  await writeArchive(path, settings, {
    environment: { ...limitsOf(limits), SEAT_SETTINGS: LATER_SETTINGS },
    identity: { SEAT_LATER: '1' },
    files: {},
  });
}

const limitsOf = ({ processes, openFiles }: ProgramLimits) => ({
  SEAT_PROCESSES: `${processes}`,
  SEAT_OPEN_FILES: `${openFiles}`,
});

async function writeArchive(
  path: string,
  { resolvers, identity }: GuestSettings,
  own: Readonly<Record<'environment' | 'identity' | 'files', Readonly<Record<string, string>>>>,
): Promise<void> {
  const archive = pack();
  const file = (name: string, content: string | Buffer) => archive.entry({ name, mode: 0o600 }, content);
  file('environment', shellEnvironment(own.environment));
  file(
    'identity',
    shellEnvironment({
      SEAT_ADDRESS: identity.address,
      SEAT_GATEWAY: identity.gateway,
      SEAT_MAC: identity.mac,
      SEAT_TIME: `${Math.floor(Date.now() / 1000)}`,
      ...own.identity,
    }),
  );
  file('resolv.conf', resolvers.map((address) => `nameserver ${address}\n`).join(''));
  file('seed', randomBytes(64));
  for (const [name, content] of Object.entries(own.files)) file(name, content);
  archive.finalize();
  const content = await buffer(archive);
  if (content.length > CONFIG_BYTES) {
    throw new ProviderError('rejected', 'The environment of the seat is too large for a virtual machine.');
  }
  await writeFile(path, content, { mode: 0o600 });
  await truncate(path, CONFIG_BYTES);
}

/** Lines that a shell reads; throws a ProviderError for a name that is none. */
export function shellEnvironment(environment: Readonly<Record<string, string>>): string {
  return Object.entries(environment)
    .map(([name, value]) => {
      if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name) || value.includes('\0')) {
        throw new ProviderError(
          'rejected',
          `"${name}" cannot be given to a seat: it is no name of a variable.`,
        );
      }
      return `${name}='${value.replaceAll("'", `'\\''`)}'\n`;
    })
    .join('');
}

/** What every guest starts from. */
export interface GuestImages {
  readonly kernel: string;
  readonly initrd: string;
  readonly rootfs: string;
}

/**
 * The images in a directory, with the root disk of a workshop's own container image where it names one.
 * Throws a ProviderError `rejected` that says which is missing, damaged, or kept from the VMs' users.
 */
export async function guestImages(directory: string, image?: string): Promise<GuestImages> {
  const images = {
    kernel: join(directory, 'vmlinux'),
    initrd: join(directory, 'initrd.cpio'),
    rootfs: rootfsFile(directory, image),
  };
  const setup = 'Run `clarateach microvm setup`.';
  const elf = await requireBytes(images.kernel, {
    at: 0,
    bytes: [0x7f, 0x45, 0x4c, 0x46],
    what: 'guest kernel',
    remedy: setup,
  });
  // The table of an ELF file's sections is its end: where it lies (40), an entry's size (58), how many (60).
  const end = Number(elf.readBigUInt64LE(40)) + elf.readUInt16LE(58) * elf.readUInt16LE(60);
  if ((await stat(images.kernel)).size < end) throw damaged('guest kernel', images.kernel, setup);
  const cpio = [...Buffer.from('070701')];
  await requireBytes(images.initrd, { at: 0, bytes: cpio, what: 'first root of guests', remedy: setup });
  const own = image !== undefined && images.rootfs !== rootfsFile(directory);
  const remedy = own
    ? `On the machine that runs the seats, run \`clarateach rootfs build --image ${image}\`, or give the workshop no image.`
    : `Run \`clarateach rootfs build --output ${images.rootfs}\`.`;
  const what = own ? `root disk of the image ${image}` : 'root disk';
  const header = await requireBytes(images.rootfs, { at: 0x438, bytes: [0x53, 0xef], what, remedy });
  // ext4's superblock: the number of blocks at 4, the size of one, as a power of two KiB, at 24.
  const blocks = header.readUInt32LE(0x404);
  const needed = blocks * 1024 * 2 ** header.readUInt32LE(0x418);
  const { size } = await stat(images.rootfs);
  if (size < needed) throw damaged(what, images.rootfs, remedy);
  return images;
}

interface Expected {
  readonly at: number;
  readonly bytes: readonly number[];
  readonly what: string;
  readonly remedy: string;
}

async function requireBytes(path: string, { at, bytes, what, remedy }: Expected): Promise<Buffer> {
  const file = await open(path).catch((cause: unknown) => {
    throw new ProviderError('rejected', `There is no ${what} at ${path}. ${remedy}`, { cause });
  });
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(2048), 0, 2048, 0);
    const found = buffer.subarray(at, at + bytes.length);
    if (bytesRead < 2048 || !found.equals(Buffer.from(bytes))) throw damaged(what, path, remedy);
    if (process.getuid?.() === 0 && ((await file.stat()).mode & READ_BY_OTHERS) === 0) {
      throw new ProviderError(
        'rejected',
        `The ${what} at ${path} can be read by root alone, and each VM runs as a user of its own. Run \`chmod 644 ${path}\`.`,
      );
    }
    return buffer;
  } finally {
    await file.close();
  }
}

function damaged(what: string, path: string, remedy: string): ProviderError {
  return new ProviderError('rejected', `The ${what} at ${path} is damaged or none. Remove it. ${remedy}`);
}
