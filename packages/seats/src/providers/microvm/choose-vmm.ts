import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { ProviderError } from '../../provider.ts';
import { FIRECRACKER, firecracker } from './firecracker.ts';
import type { Jail } from './jail.ts';
import { type Candidate, displayName, endAbandonedTrials, firstThatRuns } from './kvm-trial.ts';
import { QEMU, qemu } from './qemu.ts';
import { guestImages } from './seat-disks.ts';
import { DEFAULT_SOCKET_DIRECTORY } from './settings.ts';
import type { Vmm } from './vmm.ts';

const KVM = '/dev/kvm';
const JAILER = 'jailer';
const DIRECTORIES = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin'];

export interface ChosenVmm {
  readonly vmm: Vmm;
  /** One sentence: which, and why. */
  readonly why: string;
}

/**
 * The best VMM of this machine: Firecracker on KVM, QEMU on KVM, QEMU in software. A /dev/kvm that
 * is there may still not run a guest, so it is tried with one: once after each boot of the machine,
 * and again when programs or images have changed. `stateDirectory` is of one server or agent alone.
 * Throws a {@link ProviderError} `rejected` where none can be had, or the guest's images are missing.
 */
export async function chooseVmm(options: {
  readonly imagesDirectory: string;
  readonly stateDirectory: string;
  readonly socketDirectory?: string;
}): Promise<ChosenVmm> {
  const { socketDirectory = DEFAULT_SOCKET_DIRECTORY, stateDirectory } = options;
  await endAbandonedTrials(stateDirectory);
  const images = await guestImages(options.imagesDirectory);
  const found = await findFirecracker(options.imagesDirectory);
  const qemuProgram = await installed(QEMU);
  const kvm = await whyNoKvm();
  const candidates: Candidate[] = [];
  if (found && kvm === undefined) {
    const { program, jailer } = found;
    const programs = jailer === undefined ? [program] : [program, jailer];
    candidates.push({ vmm: await firecracker(program, jailOf(jailer, socketDirectory)), programs });
  }
  if (qemuProgram !== undefined && kvm === undefined) {
    candidates.push({ vmm: await qemu('kvm'), programs: [qemuProgram] });
  }
  const { vmm, failed } = await firstThatRuns(candidates, { stateDirectory, images });
  const failures = failed.join('; ');
  if (vmm !== undefined) {
    const but = failures === '' ? '' : ` (${failures})`;
    return { vmm, why: `MicroVMs run in ${displayName(vmm)} on KVM${but}` };
  }
  if (qemuProgram !== undefined) {
    return {
      vmm: await qemu('emulation'),
      why: `MicroVMs run in QEMU in software, several times slower than on KVM (${kvm ?? failures})`,
    };
  }
  const remedy = 'apt-get install qemu-system-x86';
  if (kvm !== undefined) {
    throw new ProviderError('rejected', `MicroVMs need KVM, or QEMU to do without: ${remedy} (${kvm})`);
  }
  throw new ProviderError(
    'rejected',
    failures === ''
      ? `This machine has neither Firecracker nor QEMU. Install one: ${remedy}`
      : `This machine runs no microVMs: ${failures}. QEMU does without KVM: ${remedy}`,
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
