import { constants } from 'node:fs';
import { access, chown, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { ProviderError } from '../../provider.ts';
import { bootId, until } from '../local/processes.ts';
import { FIRECRACKER, firecracker } from './firecracker.ts';
import type { Jail } from './jail.ts';
import { QEMU, qemu } from './qemu.ts';
import { guestImages } from './seat-disks.ts';
import { DEFAULT_SOCKET_DIRECTORY } from './settings.ts';
import { WORK } from './vm-process.ts';
import type { Vmm } from './vmm.ts';

const KVM = '/dev/kvm';
/** A guest under KVM prints its first line in a tenth of this; where KVM is broken, it never does. */
const TRIAL_MS = 10_000;
const TRIAL_RECORD = 'kvm-trial.json';
const JAILER = 'jailer';
const DIRECTORIES = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin'];

export interface ChosenVmm {
  readonly vmm: Vmm;
  /** One sentence: which, and why. */
  readonly why: string;
}

/**
 * The best VMM of this machine: Firecracker on KVM, QEMU on KVM, QEMU in software. A /dev/kvm that
 * is there may still not run a guest, so it is tried with one, once after each boot of the machine.
 * Throws a {@link ProviderError} `rejected` where none can be had, or the guest's images are missing.
 */
export async function chooseVmm(options: {
  readonly imagesDirectory: string;
  readonly stateDirectory: string;
  readonly socketDirectory?: string;
}): Promise<ChosenVmm> {
  const { socketDirectory = DEFAULT_SOCKET_DIRECTORY } = options;
  const images = await guestImages(options.imagesDirectory);
  const found = await findFirecracker(options.imagesDirectory);
  const hasQemu = (await installed(QEMU)) !== undefined;
  const kvm = await whyNoKvm();
  if (kvm === undefined) {
    for (const candidate of [
      ...(found ? [await firecracker(found.program, jailOf(found.jailer, socketDirectory))] : []),
      ...(hasQemu ? [await qemu('kvm')] : []),
    ]) {
      if (!(await guestRuns(candidate, { ...options, images }))) continue;
      const name = candidate.name === 'firecracker' ? 'Firecracker' : 'QEMU';
      return { vmm: candidate, why: `MicroVMs run in ${name} on KVM` };
    }
  }
  if (hasQemu) {
    const reason = kvm ?? `${KVM} is there, but a guest does not start with it`;
    return {
      vmm: await qemu('emulation'),
      why: `MicroVMs run in QEMU in software, several times slower than on KVM (${reason})`,
    };
  }
  throw new ProviderError(
    'rejected',
    kvm === undefined
      ? 'This machine has neither Firecracker nor QEMU. Install one: apt-get install qemu-system-x86'
      : `MicroVMs need KVM, or QEMU to do without: apt-get install qemu-system-x86 (${kvm})`,
  );
}

function jailOf(jailer: string | undefined, socketDirectory: string): Jail | undefined {
  return jailer === undefined ? undefined : { jailer, socketDirectory };
}

/** Why no VMM can use KVM here; undefined when one may try. */
export async function whyNoKvm(): Promise<string | undefined> {
  return access(KVM, constants.R_OK | constants.W_OK).then(
    () => undefined,
    (error: NodeJS.ErrnoException) =>
      error.code === 'ENOENT' ? `there is no ${KVM}` : `this user may not use ${KVM}`,
  );
}

/** Whether a guest comes up with this VMM, as remembered since the machine was booted or tried now. */
async function guestRuns(
  vmm: Vmm,
  options: {
    readonly stateDirectory: string;
    readonly images: { readonly kernel: string; readonly initrd: string };
  },
): Promise<boolean> {
  const file = join(options.stateDirectory, `${vmm.name}-${TRIAL_RECORD}`);
  const boot = await bootId();
  try {
    const record = JSON.parse(await readFile(file, 'utf8')) as { boot: string; works: boolean };
    if (record.boot === boot) return record.works;
  } catch {
    // Not tried yet.
  }
  await mkdir(options.stateDirectory, { recursive: true });
  const works = await tryGuest(vmm, options);
  await writeFile(file, JSON.stringify({ boot, works }));
  return works;
}

async function tryGuest(
  vmm: Vmm,
  { stateDirectory, images }: { stateDirectory: string; images: { kernel: string; initrd: string } },
): Promise<boolean> {
  const directory = await mkdtemp(join(stateDirectory, 'trial-'));
  const root = process.getuid?.() === 0;
  const nobody = 65_534;
  try {
    await mkdir(join(directory, WORK));
    if (root) await chown(join(directory, WORK), nobody, nobody);
    await vmm.start(
      {
        name: 'clarateach-trial',
        directory,
        kernel: images.kernel,
        initrd: images.initrd,
        parameters: { SEAT_TRIAL: '1' },
        memoryMiB: 256,
        cpus: 1,
        disks: [],
        network: undefined,
        uid: root ? nobody : undefined,
      },
      AbortSignal.timeout(TRIAL_MS),
    );
    return await until(() => vmm.hasSaid(directory, 'begins'), { withinMs: TRIAL_MS });
  } catch {
    return false;
  } finally {
    await vmm.kill(directory);
    await rm(directory, { recursive: true, force: true });
  }
}

/** Firecracker of the set-up, or else of the machine, and the jailer of the same release. */
export async function findFirecracker(
  imagesDirectory: string,
): Promise<{ readonly program: string; readonly jailer: string | undefined } | undefined> {
  const own = join(imagesDirectory, FIRECRACKER);
  const program = await installed(FIRECRACKER, [own, ...DIRECTORIES]);
  if (program === undefined) return undefined;
  return { program, jailer: await installed(JAILER, [dirname(program)]) };
}

async function installed(program: string, directories = DIRECTORIES): Promise<string | undefined> {
  for (const directory of directories) {
    const file = join(directory, program);
    const there = await access(file, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (there) return file;
  }
  return undefined;
}
