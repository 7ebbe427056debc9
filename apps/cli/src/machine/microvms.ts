import { access } from 'node:fs/promises';
import { rootfsFile } from '@clarateach/seats/providers/microvm/settings';
import { MICROVM_PROGRAMS, missingPrograms } from './packages.ts';

/** Where a machine without Docker has a root disk of microVM seats that was made elsewhere; undefined: nowhere. */
export async function copiedRootDisk(imagesDirectory: string): Promise<string | undefined> {
  const file = rootfsFile(imagesDirectory);
  return access(file).then(
    () => file,
    () => undefined,
  );
}

/** Whether microVM seats can be had here, for people. Starts nothing: whether KVM runs a guest is tried by the first start. */
export async function probeMicrovms({
  docker,
  imagesDirectory,
}: {
  readonly docker: boolean;
  readonly imagesDirectory: string;
}): Promise<{ readonly ok: boolean; readonly note: string }> {
  const missing = await missingPrograms(MICROVM_PROGRAMS);
  const rootDisk = docker ? undefined : await copiedRootDisk(imagesDirectory);
  const problems = [
    ...(process.getuid?.() === 0 ? [] : ['it needs root']),
    ...(missing.length === 0 ? [] : [`${missing.map((each) => each.program).join(', ')} must be installed`]),
    ...(docker || rootDisk !== undefined
      ? []
      : [
          `its root disk is made from the seat image, which needs Docker, or copied to ${rootfsFile(imagesDirectory)}`,
        ]),
  ];
  if (problems.length > 0) return { ok: false, note: `Not now: ${problems.join('; ')}.` };
  const disk = rootDisk === undefined ? '' : ` Their root disk is ${rootDisk}, as it is.`;
  return {
    ok: true,
    note: `MicroVMs: Firecracker or QEMU on KVM, or else QEMU in software, which is slower.${disk}`,
  };
}
