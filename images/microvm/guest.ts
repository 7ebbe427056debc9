import { createHash } from 'node:crypto';
import { glob, mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { ensureMode, READABLE } from '../file-mode.ts';
import { ImageBuildError } from '../image-build-error.ts';
import { CommandFailed, runCommand } from '../run-command.ts';
import { type CpioEntry, cpio, DIRECTORY, EXECUTABLE, REGULAR, SYMLINK } from './cpio.ts';
import { reseedProgram } from './reseed-program.ts';
import { vmlinuxOf } from './vmlinux.ts';

/** In the order in which they load: each needs only those before it. ext4 is in the kernel itself. */
const MODULES = [
  ...['virtio_ring', 'virtio', 'virtio_mmio', 'virtio_blk', 'failover', 'net_failover', 'virtio_net'],
  'overlay',
];
/** What the first init calls of busybox. */
const APPLETS = [
  ...['sh', 'mount', 'cat', 'insmod', 'mkdir', 'tar', 'cp', 'rm', 'date', 'hostname', 'ip', 'sync'],
  ...['reboot', 'rmdir', 'switch_root', 'chroot', 'umount', 'tr', 'sleep', 'usleep', 'grep'],
];
const BUSYBOX = '/bin/busybox';
const MANIFEST = 'guest.json';

export interface GuestOptions {
  /** Where `vmlinux`, `initrd.cpio` and `guest.json` come to lie. */
  readonly imagesDirectory: string;
  /** The package of a Debian kernel; the one that this machine's package lists name when left out. */
  readonly kernelPackage?: string;
  readonly signal: AbortSignal;
  readonly onProgress: (line: string) => void;
}

/** The kernel that guests run, and the package that it is from. */
export interface GuestKernel {
  readonly version: string;
  readonly debian: {
    readonly package: string;
    readonly version: string;
    /** `signed`: apt has checked Debian's signature. `given`: somebody's own file. */
    readonly trust: 'signed' | 'given';
    readonly sha256: string;
  };
}

interface Manifest {
  readonly kernel: string;
  readonly debian: GuestKernel['debian'];
  readonly inputs: string;
  readonly vmlinux: string;
  readonly initrd: string;
}

/** After: a kernel and a first root for guests lie in the images directory. False when they did already. */
export async function prepareGuest(options: GuestOptions): Promise<boolean> {
  const { imagesDirectory, onProgress } = options;
  const inputs = await inputsHash();
  const given = options.kernelPackage === undefined ? undefined : await sumOf(options.kernelPackage);
  if (await isWhole(imagesDirectory, inputs, given)) return readableAgain(imagesDirectory);
  await mkdir(imagesDirectory, { recursive: true });
  const work = await mkdtemp(join(tmpdir(), 'clarateach-kernel-'));
  try {
    const file = options.kernelPackage ?? (await download(work, options));
    onProgress(`Unpacking ${basename(file)}`);
    const tree = join(work, 'kernel');
    await command('dpkg-deb', ['-x', file, tree], options);
    const version = await onlyMatch(tree, 'boot/vmlinuz-*');
    const kernel = vmlinuxOf(await readFile(join(tree, version)));
    const initrd = await initramfs(tree, options);
    await replace(join(imagesDirectory, 'vmlinux'), kernel);
    await replace(join(imagesDirectory, 'initrd.cpio'), initrd);
    const manifest: Manifest = {
      kernel: basename(version).replace('vmlinuz-', ''),
      debian: await packageOf(file, options),
      inputs,
      vmlinux: sha256(kernel),
      initrd: sha256(initrd),
    };
    await replace(join(imagesDirectory, MANIFEST), Buffer.from(`${JSON.stringify(manifest, null, 2)}\n`));
    onProgress(`The guest kernel is Linux ${manifest.kernel}`);
    return true;
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** What {@link prepareGuest} has made last. */
export async function guestKernel(imagesDirectory: string): Promise<GuestKernel> {
  const { kernel, debian } = JSON.parse(await readFile(join(imagesDirectory, MANIFEST), 'utf8')) as Manifest;
  return { version: kernel, debian };
}

/** Takes away what {@link prepareGuest} made; false when there was nothing. */
export async function removeGuest(imagesDirectory: string): Promise<boolean> {
  const there = await readFile(join(imagesDirectory, MANIFEST)).then(
    () => true,
    () => false,
  );
  // Saved guests are of this kernel.
  for (const name of ['vmlinux', 'initrd.cpio', MANIFEST, 'saved-guests']) {
    await rm(join(imagesDirectory, name), { recursive: true, force: true });
  }
  return there;
}

async function sumOf(file: string): Promise<string> {
  const content = await readFile(file).catch((cause: unknown) => {
    throw new ImageBuildError(`The kernel package ${file} cannot be read.`, { cause });
  });
  return sha256(content);
}

/** `given` is the checksum of the package that the kernel is to be from; undefined for any. */
async function isWhole(directory: string, inputs: string, given: string | undefined): Promise<boolean> {
  try {
    const manifest = JSON.parse(await readFile(join(directory, MANIFEST), 'utf8')) as Manifest;
    return (
      manifest.inputs === inputs &&
      (given ?? manifest.debian.sha256) === manifest.debian.sha256 &&
      manifest.vmlinux === sha256(await readFile(join(directory, 'vmlinux'))) &&
      manifest.initrd === sha256(await readFile(join(directory, 'initrd.cpio')))
    );
  } catch {
    return false;
  }
}

/** False when every VM could read what was made already. */
async function readableAgain(directory: string): Promise<boolean> {
  const changed = [await ensureMode(join(directory, 'vmlinux'), READABLE)];
  changed.push(await ensureMode(join(directory, 'initrd.cpio'), READABLE));
  return changed.includes(true);
}

async function inputsHash(): Promise<string> {
  const init = await readFile(join(import.meta.dirname, 'initramfs-init.sh'));
  return sha256(Buffer.concat([init, reseedProgram(), Buffer.from([...MODULES, ...APPLETS].join())]));
}

async function download(work: string, options: GuestOptions): Promise<string> {
  const names: string[] = [];
  const read = { ...options, onProgress: (line: string) => void names.push(line) };
  // The package without a version depends on the newest; apt checks the signatures of both.
  await command('apt-cache', ['depends', 'linux-image-cloud-amd64'], read);
  const name = names.map((line) => /Depends: (linux-image-\S+)/.exec(line)?.[1]).find(Boolean);
  if (name === undefined) {
    throw new ImageBuildError(
      'This machine’s package lists name no linux-image-cloud-amd64. Run `apt-get update`, or name a Debian kernel package with --kernel-package.',
    );
  }
  options.onProgress(`Fetching the Debian package ${name}`);
  await command('apt-get', ['-q', '-o', 'APT::Sandbox::User=root', 'download', name], options, work);
  return join(work, await onlyMatch(work, '*.deb'));
}

async function packageOf(file: string, options: GuestOptions): Promise<GuestKernel['debian']> {
  const fields: string[] = [];
  const read = { ...options, onProgress: (line: string) => void fields.push(line) };
  await command('dpkg-deb', ['-f', file, 'Package', 'Version'], read);
  const field = (name: string) => fields.find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2);
  return {
    package: field('Package') ?? basename(file),
    version: field('Version') ?? 'of no known version',
    trust: options.kernelPackage === undefined ? 'signed' : 'given',
    sha256: sha256(await readFile(file)),
  };
}

async function initramfs(tree: string, options: GuestOptions): Promise<Buffer> {
  const modules = await Promise.all(MODULES.map((name) => moduleOf(tree, name, options)));
  const order = MODULES.map((name) => `${name}.ko`).join('\n');
  const directory = (path: string): CpioEntry => ({ path, mode: DIRECTORY });
  return cpio([
    ...['bin', 'modules', 'proc', 'sys', 'dev', 'lower', 'changes', 'root'].map(directory),
    { path: 'bin/busybox', mode: EXECUTABLE, content: await staticBusybox() },
    { path: 'bin/reseed', mode: EXECUTABLE, content: reseedProgram() },
    ...APPLETS.map((name) => ({ path: `bin/${name}`, mode: SYMLINK, content: Buffer.from('busybox') })),
    {
      path: 'init',
      mode: EXECUTABLE,
      content: await readFile(join(import.meta.dirname, 'initramfs-init.sh')),
    },
    { path: 'modules/order', mode: REGULAR, content: Buffer.from(`${order}\n`) },
    ...modules.map((content, index) => ({ path: `modules/${MODULES[index]}.ko`, mode: REGULAR, content })),
  ]);
}

async function staticBusybox(): Promise<Buffer> {
  const busybox = await readFile(BUSYBOX).catch((cause: unknown) => {
    throw new ImageBuildError('busybox is not installed: apt-get install busybox-static', { cause });
  });
  // A program that names a loader would find none in the first root.
  if (busybox.includes('/ld-linux')) {
    throw new ImageBuildError(
      `${BUSYBOX} is not the static one that a guest needs: apt-get install busybox-static`,
    );
  }
  return busybox;
}

async function moduleOf(tree: string, name: string, options: GuestOptions): Promise<Buffer> {
  const path = join(tree, await onlyMatch(tree, `{lib,usr/lib}/modules/*/kernel/**/${name}.ko{,.xz}`));
  if (!path.endsWith('.xz')) return readFile(path);
  await command('xz', ['-d', path], options);
  return readFile(path.slice(0, -'.xz'.length));
}

async function onlyMatch(directory: string, pattern: string): Promise<string> {
  for await (const path of glob(pattern, { cwd: directory })) return path;
  throw new ImageBuildError(`The kernel package has no ${pattern}; it is not one that seats can use.`);
}

async function command(
  program: string,
  args: readonly string[],
  { signal, onProgress }: GuestOptions,
  cwd?: string,
): Promise<void> {
  try {
    await runCommand(program, args, { signal, onLine: onProgress, ...(cwd === undefined ? {} : { cwd }) });
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof CommandFailed) throw new ImageBuildError(`${error.message}.`, { cause: error });
    throw new ImageBuildError(
      `${program} is not on this machine; a guest kernel is taken from Debian’s packages.`,
      {
        cause: error,
      },
    );
  }
}

/** Whoever reads the file meanwhile has the old one or the new one, whole. */
async function replace(path: string, content: Buffer): Promise<void> {
  const next = `${path}.${process.pid}.new`;
  await writeFile(next, content);
  await ensureMode(next, READABLE);
  await rename(next, path);
}

function sha256(content: Buffer): string {
  return createHash('sha256').update(content).digest('hex');
}
