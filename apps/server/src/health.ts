import type { Health, WorkerView } from '@clarateach/contract/health';
import { type Runtimes, runtimeHealth } from './runtimes.ts';
import type { Database } from './store/database.ts';

const DATABASE_ANSWERS_MS = 3_000;
/** Anybody may ask for the health, so the machine is looked at no more often than this. */
const FRESH_MS = 1_000;

export function createHealth(deps: {
  readonly database: Database;
  readonly runtimes: Runtimes;
  /** Empty where the server itself runs the seats. */
  readonly workers: () => readonly WorkerView[];
  readonly version: string;
  readonly now: () => number;
}): () => Promise<Health> {
  const { database, runtimes, version, now } = deps;

  const look = async (): Promise<Health> => {
    const [databaseOk, seen] = await Promise.all([answers(database), runtimeHealth(runtimes)]);
    const [defaultRuntime] = runtimes.keys();
    if (defaultRuntime === undefined) throw new Error('A server needs a runtime.');
    const workers = deps.workers();
    const up = workers.filter(({ state }) => state === 'up').length;
    const ok = databaseOk && seen.every((runtime) => runtime.ok) && up === workers.length;
    return {
      status: ok ? 'ok' : 'degraded',
      version,
      database: { kind: database.kind, ok: databaseOk },
      runtimes: seen,
      workers: workers.length === 0 ? null : { total: workers.length, up },
      defaultRuntime,
    };
  };

  let last: { readonly at: number; readonly health: Promise<Health> } | undefined;
  return () => {
    if (last === undefined || now() - last.at >= FRESH_MS) last = { at: now(), health: look() };
    return last.health;
  };
}

async function answers(database: Database): Promise<boolean> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error('The database took too long.')), DATABASE_ANSWERS_MS);
  try {
    await Promise.race([database.ping(), late]);
    return true;
  } catch {
    return false;
  } finally {
    clearTimeout(timer);
  }
}
