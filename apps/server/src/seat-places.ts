import type { RevocationList } from '@clarateach/gateway/revocation-list';
import type { FastifyBaseLogger } from 'fastify';
import type { Config } from './config.ts';
import { openRuntimes, type Runtimes } from './runtimes.ts';
import { type Database, installationId } from './store/database.ts';
import type { SigningKeys } from './tokens/signing-keys.ts';
import { openWorkers, type Workers } from './workers/workers.ts';
import type { Changes } from './workshops/changes.ts';

/** Where the seats of this server run: on workers where any are configured, else on this machine. */
export interface SeatPlaces {
  readonly runtimes: Runtimes;
  readonly workers: Workers | undefined;
  close(): Promise<void>;
}

interface Deps {
  readonly database: Database;
  readonly changes: Changes;
  readonly revocations: RevocationList;
  readonly keys: Pick<SigningKeys, 'jwks' | 'signer' | 'onChange'>;
  readonly now: () => number;
  readonly log: FastifyBaseLogger;
  readonly onError: (error: unknown) => void;
}

export async function openSeatPlaces(config: Config, deps: Deps): Promise<SeatPlaces> {
  if (config.workers.length > 0) {
    const workers = await workersOf(config, deps);
    return { runtimes: workers.runtimes, workers, close: () => workers.close() };
  }
  const runtimes = await runtimesHere(config, deps);
  return {
    runtimes,
    workers: undefined,
    async close() {
      await Promise.all([...runtimes.values()].map((provider) => provider.close()));
    },
  };
}

async function workersOf(config: Config, deps: Deps): Promise<Workers> {
  const { database, changes, revocations, keys, now, log, onError } = deps;
  const opened = await openWorkers({
    agents: config.workers,
    database,
    changes,
    installation: await installationId(database),
    keys: {
      ids: () => keys.jwks().keys.map(({ kid }) => kid),
      signing: () => keys.signer().kid,
      onChange: keys.onChange,
    },
    revocations,
    moveAfterMs: config.moveAfterMs,
    fallback: config.runtime.kind === 'fixed' ? config.runtime.name : 'docker',
    now,
    onState: (address, state, problem) =>
      log[state === 'up' ? 'info' : 'warn']({ worker: address, state }, problem || 'a worker is up'),
    onError,
  });
  log.info({ workers: config.workers.map(({ address }) => address) }, 'Seats run on workers.');
  return opened;
}

async function runtimesHere(config: Config, { database, log }: Deps): Promise<Runtimes> {
  const opened = await openRuntimes({
    choice: config.runtime,
    microvm: config.microvm,
    dataDirectory: config.dataDirectory,
    installation: await installationId(database),
    report: (line) => log.warn(line),
    diskMiB: config.seatDiskMiB,
  });
  log.info({ runtimes: [...opened.runtimes.keys()] }, opened.why);
  return opened.runtimes;
}
