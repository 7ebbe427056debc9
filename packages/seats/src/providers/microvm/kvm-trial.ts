import { randomBytes } from 'node:crypto';
import { chown, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { bootId, until } from '../local/processes.ts';
import { removeSockets } from './jail.ts';
import { hash } from './saved-guest-files.ts';
import { killVm, WORK } from './vm-process.ts';
import type { Vmm } from './vmm.ts';

/** A guest under KVM prints its first line in a tenth of this; where KVM is broken, it never does. */
const TRIAL_MS = 10_000;
const TRIAL_RECORD = 'kvm-trial.json';
/** What the directories of trials begin with. */
const TRIAL = 'trial-';
const NOBODY = 65_534;

/** A VMM that may be used, and the files of its programs: one that was replaced is tried anew. */
export interface Candidate {
  readonly vmm: Vmm;
  readonly programs: readonly string[];
}

export interface TrialOptions {
  readonly images: { readonly kernel: string; readonly initrd: string };
  /** Of one server or agent alone; records and the files of trials lie here. */
  readonly stateDirectory: string;
  /** How long a guest may say nothing; ten seconds when left out. */
  readonly withinMs?: number;
}

/** What came of a guest that was started. Only one that hangs costs time, and is as good as sure to hang again. */
type Trial =
  | { readonly works: true }
  | { readonly works: false; readonly why: string; readonly hung: boolean };

interface TrialRecord {
  readonly boot: string;
  readonly of: string;
  readonly trial: Trial;
}

export interface FirstThatRuns {
  /** Undefined when none runs a guest. */
  readonly vmm: Vmm | undefined;
  /** Of those before it: which, and why not, in half a sentence each. */
  readonly failed: readonly string[];
}

/** Tries the candidates with a guest each, in their order, until one comes up. Leaves nothing that runs. */
export async function firstThatRuns(
  candidates: readonly Candidate[],
  options: TrialOptions,
): Promise<FirstThatRuns> {
  const failed: string[] = [];
  for (const candidate of candidates) {
    const { vmm } = candidate;
    const trial = await tried(candidate, options);
    if (trial.works) return { vmm, failed };
    failed.push(`no guest starts in ${displayName(vmm)} on KVM: ${trial.why.replace(/\.$/, '')}`);
  }
  return { vmm: undefined, failed };
}

export function displayName({ name }: Pick<Vmm, 'name'>): string {
  return name === 'firecracker' ? 'Firecracker' : 'QEMU';
}

/** Ends the trials of a process that was killed amid them. */
export async function endAbandonedTrials(stateDirectory: string): Promise<void> {
  const names = await readdir(stateDirectory).catch((): string[] => []);
  for (const name of names.filter((each) => each.startsWith(TRIAL))) {
    await endTrial(join(stateDirectory, name), killVm);
  }
}

/** As remembered since the machine was booted, of the same programs and images, or tried now. */
async function tried({ vmm, programs }: Candidate, options: TrialOptions): Promise<Trial> {
  const { stateDirectory, images } = options;
  const file = join(stateDirectory, `${vmm.name}-${TRIAL_RECORD}`);
  const now = { boot: await bootId(), of: await identityOf([images.kernel, images.initrd, ...programs]) };
  const record = await recorded(file);
  if (record?.boot === now.boot && record.of === now.of) return record.trial;
  const trial = await tryGuest(vmm, options).catch(
    (error: Error): Trial => ({ works: false, why: error.message, hung: false }),
  );
  if (trial.works || trial.hung) {
    // On a disk that is full it is tried again at the next start.
    await writeFile(file, JSON.stringify({ ...now, trial } satisfies TrialRecord)).catch(() => undefined);
  }
  return trial;
}

async function recorded(file: string): Promise<TrialRecord | undefined> {
  try {
    const record = JSON.parse(await readFile(file, 'utf8')) as Partial<TrialRecord>;
    // An earlier version noted less.
    return record.trial === undefined ? undefined : (record as TrialRecord);
  } catch {
    return undefined;
  }
}

/** Which files these are, and since when with these rights. */
async function identityOf(files: readonly string[]): Promise<string> {
  const found = await Promise.all(files.map((path) => stat(path, { bigint: true }).catch(() => undefined)));
  return hash(
    files,
    found.map((each) => each && [each.dev, each.ino, each.size, each.mtimeNs, each.ctimeNs].join()),
  );
}

async function tryGuest(vmm: Vmm, options: TrialOptions): Promise<Trial> {
  const { stateDirectory, images, withinMs = TRIAL_MS } = options;
  await mkdir(stateDirectory, { recursive: true });
  const directory = await mkdtemp(join(stateDirectory, TRIAL));
  const uid = process.getuid?.() === 0 ? NOBODY : undefined;
  try {
    await mkdir(join(directory, WORK));
    if (uid !== undefined) await chown(join(directory, WORK), uid, uid);
    await vmm.start(
      {
        // A jail's name: other servers of this machine may try at the same moment, as they do at its boot.
        name: `clarateach-trial-${randomBytes(6).toString('hex')}`,
        directory,
        kernel: images.kernel,
        initrd: images.initrd,
        parameters: { SEAT_TRIAL: '1' },
        memoryMiB: 256,
        cpus: 1,
        disks: [],
        network: undefined,
        uid,
      },
      AbortSignal.timeout(Math.max(withinMs, TRIAL_MS)),
    );
    const settled = async () =>
      (await vmm.hasSaid(directory, 'begins')) || (await vmm.state(directory)).state !== 'running';
    await until(settled, { withinMs });
    if (await vmm.hasSaid(directory, 'begins')) return { works: true };
    const state = await vmm.state(directory);
    return state.state === 'ended'
      ? { works: false, why: state.reason, hung: false }
      : { works: false, why: `it said nothing for ${withinMs / 1000} s`, hung: true };
  } finally {
    await endTrial(directory, vmm.kill);
  }
}

/** One that does not end is left as it is, to be ended at the next start. */
async function endTrial(directory: string, kill: (directory: string) => Promise<void>): Promise<void> {
  try {
    await kill(directory);
  } catch {
    return;
  }
  await removeSockets(directory);
  await rm(directory, { recursive: true, force: true });
}
