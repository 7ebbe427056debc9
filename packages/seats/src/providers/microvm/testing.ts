import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, readFile, readlink, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseSeatName, type SeatId, seatName, type WorkshopId } from '@clarateach/contract/ids';
import type { ConformanceSubject } from '../../conformance.ts';
import type { SeatProvider, SeatSpec } from '../../provider.ts';
import type { Bridge } from './bridge-choice.ts';
import { microvmProvider } from './microvm.ts';
import { VmNetwork } from './network.ts';
import { qemu } from './qemu.ts';
import { runProgram } from './run-program.ts';
import { guestImages } from './seat-disks.ts';
import type { Vmm } from './vmm.ts';

/** What the tests of this folder and those of the whole system share; used by nothing else. */

const CHECKOUT = join(import.meta.dirname, '..', '..', '..', '..', '..');
/** Where the test runner and `clarateach microvm setup` put kernel and root disk. */
export const IMAGES = process.env.IMAGES_DIR || join(CHECKOUT, '.clarateach', 'images');

/** Why microVMs cannot run here; undefined when they can. */
export async function whyNoMicrovms(): Promise<string | undefined> {
  if (process.getuid?.() !== 0) return 'only root may make the network of microVMs';
  for (const [program, args] of [
    ['qemu-system-x86_64', ['--version']],
    ['mke2fs', ['-V']],
    ['nft', ['--version']],
    ['ip', ['-V']],
  ] as const) {
    const missing = await runProgram(program, args).then(
      () => false,
      () => true,
    );
    if (missing) return `${program} is not installed`;
  }
  return guestImages(IMAGES).then(
    () => undefined,
    (error: Error) => error.message,
  );
}

export interface TestInstallation {
  readonly workshop: WorkshopId;
  readonly vmm: Vmm;
  readonly stateDirectory: string;
  readonly name: string;
  open(bridge?: Bridge): Promise<SeatProvider>;
  /** Whether a line of what the machine has, such as a table, is of this installation. */
  owns(line: string): boolean;
  /** Processes, ports, bridges, rules, disks and addresses that are left. */
  leftovers(): Promise<string[]>;
  remove(): Promise<void>;
}

/** An installation with a state directory, a network and rules of its own. */
export async function makeInstallation(): Promise<TestInstallation> {
  const stateDirectory = await mkdtemp(join(tmpdir(), 'clarateach-vm-'));
  const installation = `test-${randomBytes(6).toString('hex')}`;
  const workshop = `ws-${randomBytes(4).toString('hex')}` as WorkshopId;
  const vmm = await qemu('emulation');
  const network = new VmNetwork({ installation, stateDirectory, bridge: undefined });
  const opened: SeatProvider[] = [];
  const open = async (bridge?: Bridge) => {
    const provider = await openMicrovms({ vmm, stateDirectory, installation, bridge });
    opened.push(provider);
    return provider;
  };

  const leftovers = () => leftOversOf(installation, stateDirectory);

  return {
    name: installation,
    workshop,
    vmm,
    stateDirectory,
    open,
    owns: (line) => line.endsWith(` ${network.table}`),
    leftovers,
    remove: async () => {
      const provider = await open();
      const { signal } = new AbortController();
      const names = await readdir(join(stateDirectory, 'seats')).catch((): string[] => []);
      for (const seat of names.map(parseSeatName)) if (seat) await provider.destroy(seat, signal);
      for (const each of opened) await each.close();
      await rm(stateDirectory, { recursive: true, force: true });
    },
  };
}

/** Processes, network, seats, addresses and guests of an installation that are there. */
export async function leftOversOf(installation: string, stateDirectory: string): Promise<string[]> {
  const under = async (name: string) => readdir(join(stateDirectory, name)).catch((): string[] => []);
  return [
    ...(await networkLeftOvers(installation)),
    ...(await under('seats')).map((name) => `seat ${name}`),
    ...(await under('addresses')).map((name) => `address ${name}`),
    ...(await under('warm')).map((name) => `warm ${name}`),
    ...(await under('saving')).map((name) => `saving ${name}`),
    ...(await processesIn(stateDirectory)),
  ];
}

/** Ports of the bridge, the bridge, tables and rules of an installation that are there. */
export async function networkLeftOvers(installation: string): Promise<string[]> {
  const network = new VmNetwork({ installation, stateDirectory: '/', bridge: undefined });
  const { port } = network.seat('192.168.0.0');
  const prefix = port.slice(0, port.indexOf('-') + 1);
  const links = await readdir('/sys/class/net');
  const aliases = await Promise.all(
    links.map(async (name) => ({
      name,
      alias: (await readFile(`/sys/class/net/${name}/ifalias`, 'utf8').catch(() => '')).trim(),
    })),
  );
  const tables = (await runProgram('nft', ['list', 'tables']).catch(() => '')).split('\n');
  const forwarded = await runProgram('iptables', ['-w', '-S']).catch(() => '');
  return [
    ...links.filter((name) => name.startsWith(prefix)).map((name) => `port ${name}`),
    ...aliases.filter(({ alias }) => alias === network.table).map(({ name }) => `bridge ${name}`),
    ...tables.filter((line) => line.endsWith(` ${network.table}`)),
    ...forwarded.split('\n').filter((line) => line.includes(network.table)),
  ];
}

/** What the conformance suite runs over. */
export async function microvmSubject(): Promise<ConformanceSubject> {
  const installation = await makeInstallation();
  const provider = await installation.open();
  return {
    provider,
    again: () => installation.open(),
    spec: (seat) => specOf({ workshop: installation.workshop, seat }),
    kill: (seat) => installation.vmm.kill(join(installation.stateDirectory, 'seats', seatName(seat), 'run')),
    leftovers: installation.leftovers,
    cleanup: async () => {
      await provider.close();
      await installation.remove();
    },
  };
}

export function openMicrovms(options: {
  readonly vmm: Vmm;
  readonly stateDirectory: string;
  readonly installation: string;
  readonly bridge?: Bridge | undefined;
  readonly imagesDirectory?: string;
  readonly report?: (line: string) => void;
  readonly warmSeats?: number;
}): Promise<SeatProvider> {
  const {
    vmm,
    stateDirectory,
    installation,
    bridge,
    imagesDirectory = IMAGES,
    report,
    warmSeats = 0,
  } = options;
  return microvmProvider({
    ...{ vmm, stateDirectory, installation, imagesDirectory, workspaceMiB: 512, warmSeats },
    ...(report === undefined ? {} : { report }),
    ...(bridge === undefined ? {} : { bridge }),
  });
}

async function processesIn(directory: string): Promise<string[]> {
  const found: string[] = [];
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const cwd = await readlink(`/proc/${pid}/cwd`).catch(() => '');
    if (cwd.startsWith(directory)) found.push(`process ${pid}`);
  }
  return found;
}

export function specOf(id: SeatId, changes: Partial<SeatSpec> = {}): SeatSpec {
  return {
    id,
    env: { CLAUDE_API_KEY: 'sk-test-0123456789-0123456789' },
    limits: { memoryMiB: 384, cpus: 1, processes: 256, openFiles: 2048 },
    ...changes,
  };
}
