import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ProviderError } from '@clarateach/seats/provider';
import type { Bridge } from '@clarateach/seats/providers/microvm/bridge-choice';
import { IP_FORWARD, isLink } from '@clarateach/seats/providers/microvm/links';
import { seatBridges, VmNetwork } from '@clarateach/seats/providers/microvm/network';
import { preparedMark } from '@clarateach/seats/providers/microvm/prepared-network';
import { installFirecracker, removeFirecracker } from '../../../../images/microvm/firecracker-release.ts';
import { type GuestKernel, guestKernel, removeGuest } from '../../../../images/microvm/guest.ts';
import { CommandError } from '../errors.ts';
import { installCommand, installPrograms, MICROVM_PROGRAMS, missingPrograms } from '../machine/packages.ts';
import { which } from '../machine/which.ts';
import type { Output } from '../output.ts';
import { explained, prepareKernel } from '../prepare/microvm-images.ts';
import { run } from '../prepare/run.ts';
import { buildLines } from '../prepare/step.ts';
import { removablePackages, simulateRemoval } from './removable-packages.ts';
import { readSetupRecord, removeSetupRecord, writeSetupRecord } from './setup-record.ts';

export interface SetupOptions {
  readonly imagesDirectory: string;
  readonly bridge: Bridge | undefined;
  readonly kernelPackage?: string;
  readonly firecracker: { readonly archive?: string; readonly url?: string; readonly sha256?: string };
}

/** One step of the set-up or of its undoing. */
export interface SetupStep {
  readonly step: 'programs' | 'firecracker' | 'kernel' | 'forwarding' | 'network';
  readonly changed: boolean;
  /** One sentence for people. */
  readonly detail: string;
}

type Told = (step: SetupStep) => void;

/** Brings a machine to where it runs microVMs; every step that is done already does nothing. */
export async function setUpMicrovms(
  output: Output,
  signal: AbortSignal,
  options: SetupOptions,
  told: Told,
): Promise<void> {
  await programs(output, signal, options, told);
  await firecrackerStep(output, signal, options, told);
  const { imagesDirectory, kernelPackage } = options;
  const changed = await prepareKernel(output, signal, {
    imagesDirectory,
    ...(kernelPackage === undefined ? {} : { kernelPackage }),
  });
  const kernel = await guestKernel(imagesDirectory);
  told({ step: 'kernel', changed, detail: `Guests run ${wording(kernel)}, in ${imagesDirectory}.` });
  await networkSteps(options, told);
}

async function programs(
  output: Output,
  signal: AbortSignal,
  options: SetupOptions,
  told: Told,
): Promise<void> {
  const before = await missingPrograms(MICROVM_PROGRAMS);
  if (before.length === 0) {
    told({ step: 'programs', changed: false, detail: 'All programs that microVMs need are installed.' });
    return;
  }
  const { imagesDirectory } = options;
  const record = await explained(() => readSetupRecord(imagesDirectory));
  const packages = [...new Set([...record.packages, ...before.map((each) => each.package)])];
  await explained(() => writeSetupRecord(imagesDirectory, { ...record, packages }));
  const missing = await installPrograms(output, MICROVM_PROGRAMS, signal);
  if (missing.length > 0) {
    const here = packages.filter((name) => missing.every((each) => each.package !== name));
    await writeSetupRecord(imagesDirectory, { ...record, packages: here });
    throw new CommandError(`Install what is missing: ${installCommand(missing)}`);
  }
  const names = before.map((each) => each.package).join(', ');
  told({ step: 'programs', changed: true, detail: `Installed the packages ${names}.` });
}

async function firecrackerStep(
  output: Output,
  signal: AbortSignal,
  { imagesDirectory, firecracker }: SetupOptions,
  told: Told,
): Promise<void> {
  const onProgress = buildLines(output);
  const made = await explained(() =>
    installFirecracker({ imagesDirectory, ...firecracker, signal, onProgress }),
  );
  if (made.state === 'missing') {
    told({ step: 'firecracker', changed: false, detail: `Firecracker is not installed: ${made.remedy}` });
    return;
  }
  told({
    step: 'firecracker',
    changed: made.state === 'installed',
    detail: `Firecracker ${made.version} and its jailer are in ${made.directory}, as their checksums say.`,
  });
}

function wording({ version, debian }: GuestKernel): string {
  const where = { signed: 'verified by apt', given: 'as given' }[debian.trust];
  return `Linux ${version} (${debian.package} ${debian.version}, ${where})`;
}

async function networkSteps({ imagesDirectory, bridge }: SetupOptions, told: Told): Promise<void> {
  if (process.getuid?.() !== 0) {
    const detail = 'Only root may make the network; the server makes it with the first seat.';
    told({ step: 'network', changed: false, detail });
    return;
  }
  const before = (await readFile(IP_FORWARD, 'utf8')).trim();
  if (before === '0') {
    const record = await readSetupRecord(imagesDirectory);
    await writeSetupRecord(imagesDirectory, { ...record, ipForward: '0' });
    await writeFile(IP_FORWARD, '1');
  }
  told({ step: 'forwarding', changed: before === '0', detail: 'The machine forwards IPv4 packets.' });
  const made = await network({ imagesDirectory, bridge }, (each) => each.prepare());
  const lasts = 'It lasts until the machine is restarted; then it comes with the first seat.';
  told({
    step: 'network',
    changed: made !== undefined,
    detail: made
      ? `Made the bridge ${made.name} (${made.address}) and its NAT. ${lasts}`
      : `The seats’ bridge and its NAT are there. ${lasts}`,
  });
}

/** Takes back all that {@link setUpMicrovms} has made on this machine, and nothing else. */
export async function undoMicrovms(
  signal: AbortSignal,
  { imagesDirectory, bridge }: Pick<SetupOptions, 'imagesDirectory' | 'bridge'>,
  told: Told,
): Promise<void> {
  const record = await explained(() => readSetupRecord(imagesDirectory));
  if (process.getuid?.() === 0 && (await which('nft')) !== undefined) {
    const gone = await network({ imagesDirectory, bridge }, (each) => each.unprepare());
    await rm(join(imagesDirectory, 'network.json'), { force: true });
    const detail = gone.length > 0 ? `Removed ${gone.join(' and ')}.` : 'There was no network of the set-up.';
    told({ step: 'network', changed: gone.length > 0, detail });
  }
  const stays = record.ipForward === '0' && (await forwardNoMore(told));
  const kernel = await explained(() => removeGuest(imagesDirectory));
  const kernelDetail = kernel
    ? `Removed the guest kernel from ${imagesDirectory}.`
    : 'There was no guest kernel.';
  told({ step: 'kernel', changed: kernel, detail: kernelDetail });
  const programs = await explained(() => removeFirecracker(imagesDirectory));
  const detail = programs ? 'Removed Firecracker and its jailer.' : 'There was no Firecracker of the set-up.';
  told({ step: 'firecracker', changed: programs, detail });
  if (record.packages.length > 0) await removePackages(record.packages, signal, told);
  if (stays) await writeSetupRecord(imagesDirectory, { packages: [], ipForward: '0' });
  else await removeSetupRecord(imagesDirectory);
}

async function removePackages(packages: readonly string[], signal: AbortSignal, told: Told): Promise<void> {
  const { go, kept } = await removablePackages(packages, (names) => simulateRemoval(names, signal));
  if (go.length > 0) {
    await run('apt-get', ['remove', '-y', '-q', ...go], {
      signal,
      env: { DEBIAN_FRONTEND: 'noninteractive' },
    });
  }
  const why = (neededBy: readonly string[]) =>
    neededBy.length === 0
      ? 'apt finds no way to remove it'
      : `its removal would also remove or install ${neededBy.join(', ')}`;
  const said = [
    ...(go.length === 0 ? [] : [`Removed the packages that it had installed: ${go.join(', ')}.`]),
    ...kept.map(({ name, neededBy }) => `Kept ${name}: ${why(neededBy)}.`),
  ];
  told({ step: 'programs', changed: go.length > 0, detail: said.join(' ') });
}

/** True where it is to be tried again later. */
async function forwardNoMore(told: Told): Promise<boolean> {
  const stays = (detail: string) =>
    told({ step: 'forwarding', changed: false, detail: `Forwarding of packets stays on: ${detail}` });
  const bridges = await seatBridges();
  if (bridges.length > 0) {
    stays(`seats run on ${bridges.join(' and ')}. Run this again when the last of them has ended.`);
    return true;
  }
  // Docker's containers lose their network without it, and Docker does not look again.
  if (await isLink('docker0')) {
    stays('Docker needs it too.');
    return false;
  }
  await writeFile(IP_FORWARD, '0');
  told({ step: 'forwarding', changed: true, detail: 'The machine forwards no packets any more, as before.' });
  return false;
}

async function network<T>(
  { imagesDirectory, bridge }: Pick<SetupOptions, 'imagesDirectory' | 'bridge'>,
  work: (network: VmNetwork) => Promise<T>,
): Promise<T> {
  const prepared = preparedMark(imagesDirectory);
  try {
    return await work(
      new VmNetwork({ installation: prepared, stateDirectory: imagesDirectory, bridge, prepared }),
    );
  } catch (error) {
    if (error instanceof ProviderError) throw new CommandError(error.message, { cause: error });
    throw error;
  }
}
