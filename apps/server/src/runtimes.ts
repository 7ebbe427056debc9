import { join } from 'node:path';
import type { Health } from '@clarateach/contract/health';
import { type SeatId, seatName } from '@clarateach/contract/ids';
import type { RuntimeName } from '@clarateach/contract/runtime';
import { requireNoDiskBound } from '@clarateach/contract/setting-values';
import type { SeatProvider } from '@clarateach/seats/provider';
import { dockerProvider } from '@clarateach/seats/providers/docker';
import { probeDocker } from '@clarateach/seats/providers/docker/probe';
import { localProvider } from '@clarateach/seats/providers/local';
import { microvmsOnThisMachine } from '@clarateach/seats/providers/microvm/on-this-machine';
import type { MicrovmSettings } from '@clarateach/seats/providers/microvm/settings';
import type { RuntimeChoice } from './config.ts';
import { limiter } from './reconciler/limiter.ts';

const ROOT = join(import.meta.dirname, '..', '..', '..');
/** The seats' image, as `clarateach image build` names it. */
const SEAT_IMAGE = 'clarateach-workspace:latest';
const STOPS_AT_ONCE = 10;
const HEALTH_MS = 5_000;

/** The providers of this server; the first is for workshops that name no runtime. */
export type Runtimes = ReadonlyMap<RuntimeName, SeatProvider>;

/** Opens the chosen runtime, and says in one sentence which and why. */
export async function openRuntimes(options: {
  readonly choice: RuntimeChoice;
  readonly microvm: MicrovmSettings;
  readonly dataDirectory: string;
  readonly installation: string;
  readonly report: (line: string) => void;
  /** What a docker seat may keep; undefined: anything. */
  readonly diskMiB: number | undefined;
}): Promise<{ readonly runtimes: Runtimes; readonly why: string }> {
  const { choice } = options;
  if (choice.kind === 'fixed' && choice.name === 'local') {
    return { runtimes: new Map([['local', await local(options)]]), why: 'Seats run locally, as asked for.' };
  }
  if (choice.kind === 'fixed' && choice.name === 'firecracker') {
    requireNoDiskBound(options.diskMiB, 'firecracker');
    const { provider, why } = await microvmsOnThisMachine({
      settings: options.microvm,
      stateDirectory: join(options.dataDirectory, 'microvms'),
      installation: options.installation,
      report: options.report,
    });
    return { runtimes: new Map([['firecracker', provider]]), why };
  }
  const docker = await probeDocker();
  if (docker.ok) {
    const provider = await dockerProvider({
      image: SEAT_IMAGE,
      installation: options.installation,
      ...(options.diskMiB === undefined ? {} : { diskMiB: options.diskMiB }),
    });
    const why = choice.kind === 'fixed' ? 'as asked for' : 'because its engine works';
    return {
      runtimes: new Map([['docker', provider]]),
      why: `Seats run in Docker, ${why} (${docker.note}).`,
    };
  }
  if (choice.kind === 'fixed') {
    throw new Error(`RUNTIME is ${choice.name}, but seats cannot run in Docker here. ${docker.note}`);
  }
  return {
    runtimes: new Map([['local', await local(options)]]),
    why: `Seats run locally, because there is no usable Docker. ${docker.note}`,
  };
}

async function local({
  dataDirectory,
  diskMiB,
}: {
  readonly dataDirectory: string;
  readonly diskMiB: number | undefined;
}): Promise<SeatProvider> {
  requireNoDiskBound(diskMiB, 'local');
  return localProvider({
    root: join(dataDirectory, 'seats'),
    toolsDirectory: join(ROOT, 'images', 'workspace', 'tools'),
    workspaceBundle: join(ROOT, 'apps', 'workspace', 'dist'),
  });
}

/** What the runtimes keep ready for new seats, and are to keep ready now, together. */
export function readyGuests(runtimes: Runtimes): { readonly ready: number; readonly wanted: number } {
  const each = [...runtimes.values()].map((provider) => provider.ready?.() ?? { ready: 0, wanted: 0 });
  const sum = (of: 'ready' | 'wanted') => each.reduce((total, counts) => total + counts[of], 0);
  return { ready: sum('ready'), wanted: sum('wanted') };
}

/** Whether each runtime answers, within five seconds. */
export async function runtimeHealth(runtimes: Runtimes): Promise<Health['runtimes']> {
  return Promise.all(
    [...runtimes.values()].map(async (provider) => {
      try {
        await provider.list(AbortSignal.timeout(HEALTH_MS));
        return { ...provider.info, ok: true };
      } catch {
        return { ...provider.info, ok: false };
      }
    }),
  );
}

/** Ends what runs of every seat; files stay, and the next start brings the seats back. */
export async function stopSeats(
  runtimes: Runtimes,
  onError: (error: unknown, seat: SeatId | undefined) => void,
): Promise<void> {
  const { signal } = new AbortController();
  await Promise.all(
    [...runtimes.values()].map(async (provider) => {
      const limited = limiter(STOPS_AT_ONCE);
      const seats = await provider.list(signal).catch((error): readonly SeatId[] => {
        onError(error, undefined);
        return [];
      });
      await Promise.all(
        seats.map((seat) =>
          limited(() => provider.stop(seat, signal)).catch((error) =>
            onError(new Error(`${seatName(seat)} could not be stopped.`, { cause: error }), seat),
          ),
        ),
      );
    }),
  );
}
