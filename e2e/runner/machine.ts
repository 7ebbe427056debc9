import { join } from 'node:path';
import {
  IMAGE_BASE_PROGRAMS,
  installCommand,
  installPrograms,
  LOCAL_SEAT_PROGRAMS,
  MICROVM_PROGRAMS,
  type SystemProgram,
} from '@clarateach/cli/machine/packages';
import { which } from '@clarateach/cli/machine/which';
import type { Output } from '@clarateach/cli/output';
import { buildSeatPrograms, buildWeb } from '@clarateach/cli/prepare/builds';
import { prepareKernel, prepareRootDisk } from '@clarateach/cli/prepare/microvm-images';
import { buildSeatImage } from '@clarateach/cli/prepare/seat-image';
import { STATE_DIRECTORY } from '@clarateach/cli/root';
import { engineAnswers, type OwnedEngine, startEngine } from './docker-engine.ts';

const ENGINE: SystemProgram = { program: 'dockerd', package: 'docker.io' };
const BROWSER: SystemProgram = { program: 'chromium', package: 'chromium' };
/** Makes root disks for a user who is not root. */
const FAKEROOT: SystemProgram = { program: 'fakeroot', package: 'fakeroot' };
/** What benchmarks run beside. */
const PEERS: readonly SystemProgram[] = [
  { program: 'nginx', package: 'nginx-light' },
  { program: 'haproxy', package: 'haproxy' },
  { program: 'caddy', package: 'caddy' },
  { program: 'wrk', package: 'wrk' },
];
/** Things that a test of the running system needs; units do without. */
const NEEDS_MACHINE =
  /^(e2e|bench|images|apps\/workspace|packages\/seats\/src\/providers)\/|^apps\/(agent|cli|server)\/.*(main|up|conformance)\.test\.ts$/;
/** Where the tests of microVMs look for kernel and root disk. */
const MICROVM_IMAGES = process.env.IMAGES_DIR || join(STATE_DIRECTORY, 'images');
const NEEDS_NOTHING = /^e2e\/repository\.test\.ts$/;

export interface Machine {
  /** What could not be had, each with its reason; tests that need it say NOT RUN. */
  readonly missing: readonly string[];
  /** Parts of the product that could not be built; the run goes on and fails. */
  readonly broken: readonly string[];
  /** Ends what was started here. */
  close(): Promise<void>;
}

interface Options {
  readonly artifacts: string;
  /** The test files that are about to run. */
  readonly files: readonly string[];
  readonly signal: AbortSignal;
  readonly say: (text: string) => void;
}

/** Installs, starts and builds what the tests need, as far as this machine and its user allow. */
export async function prepareMachine(options: Options): Promise<Machine> {
  const { signal, say } = options;
  if (!options.files.some((file) => NEEDS_MACHINE.test(file) && !NEEDS_NOTHING.test(file))) {
    return { missing: [], broken: [], close: async () => undefined };
  }
  const output: Output = { line: say, note: say, json: () => undefined, table: () => undefined };
  const missing: string[] = [];
  const answered = await engineAnswers();
  const wanted = [
    ...LOCAL_SEAT_PROGRAMS,
    ...IMAGE_BASE_PROGRAMS,
    ...MICROVM_PROGRAMS,
    BROWSER,
    FAKEROOT,
    ...PEERS,
    ...(answered ? [] : [ENGINE]),
  ];
  for (const program of await installPrograms(output, wanted, signal)) {
    missing.push(`${program.program}: not installed (${installCommand([program])})`);
  }
  const broken: string[] = [];
  const attempt = async <T>(what: string, work: () => Promise<T>): Promise<T | undefined> => {
    try {
      return await work();
    } catch (error) {
      signal.throwIfAborted();
      broken.push(`${what}: ${(error as Error).message}`);
      return undefined;
    }
  };
  await attempt('web app', () => buildWeb(output, signal));
  await attempt('programs of the seats', () => buildSeatPrograms(output, signal));
  const engine = answered ? undefined : await attempt('Docker engine', () => ownEngine(options, missing));
  if (answered || engine) {
    say('Building the seat image (unchanged parts are not built again) …');
    await attempt('seat image', () => buildSeatImage(output, signal));
    if (process.getuid?.() === 0) {
      await attempt('guest kernel', () => prepareKernel(output, signal, { imagesDirectory: MICROVM_IMAGES }));
      await attempt('root disk of microVMs', () => prepareRootDisk(output, signal, MICROVM_IMAGES));
    }
  }
  for (const reason of missing) say(`MISSING ${reason}`);
  for (const reason of broken) say(`BROKEN ${reason}`);
  return { missing, broken, close: async () => engine?.close() };
}

async function ownEngine(options: Options, missing: string[]): Promise<OwnedEngine | undefined> {
  const dockerd = await which(ENGINE.program);
  if (dockerd === undefined) return undefined;
  if (process.getuid?.() !== 0) {
    missing.push('docker: no engine answers, and only root may start one (sudo systemctl start docker)');
    return undefined;
  }
  // Where there is a service manager, the package has started its service.
  if (await engineAnswers()) return { close: async () => undefined };
  options.say('Starting a Docker engine for the tests');
  return startEngine(dockerd, join(options.artifacts, 'dockerd.log'));
}
