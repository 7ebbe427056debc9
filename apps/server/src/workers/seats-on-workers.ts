import { type SeatId, seatName } from '@clarateach/contract/ids';
import type { RuntimeInfo, RuntimeName } from '@clarateach/contract/runtime';
import { type Observed, ProviderError, type SeatProvider } from '@clarateach/seats/provider';
import type { Database } from '../store/database.ts';
import type { Homes } from './homes.ts';
import { placeSeat, unplaceSeat, workerOf } from './placement.ts';
import type { Worker } from './worker.ts';

const ISOLATION: Record<RuntimeName, RuntimeInfo['isolation']> = {
  local: 'process',
  docker: 'container',
  firecracker: 'vm',
};

/** How many of our seats fit on the worker, beside those that others have there. */
function roomOf({ info }: Worker): number {
  return info === undefined ? 0 : info.capacity - (info.vm_count - info.vms.length);
}

/**
 * The seats of one runtime, spread over the workers that have it. The database says on which worker a
 * seat is; a worker that does not answer keeps its seats until `moveAfterMs` have passed.
 */
export function seatsOnWorkers(deps: {
  readonly database: Database;
  readonly runtime: RuntimeName;
  readonly workers: readonly Worker[];
  readonly homes: Homes;
  readonly moveAfterMs: number;
  readonly now: () => number;
  /** Called after a seat was asked for: its worker may not know its holder. */
  readonly onEnsured: (id: SeatId, worker: Worker) => void;
  /** Called before a seat is destroyed: a removed learner's connections end with that reason, not with the seat. */
  readonly beforeDestroy: (worker: Worker) => Promise<void>;
}): SeatProvider {
  const { database, runtime, workers, homes, moveAfterMs, now } = deps;
  const usable = (): Worker[] =>
    workers.filter(({ state, info }) => state === 'up' && info?.runtime.name === runtime);

  /** Whether what the worker had counts as gone. One that the operator no longer names is gone at once. */
  const isAbandoned = (worker: Worker | undefined): boolean =>
    worker === undefined || (worker.lostAt !== undefined && now() - worker.lostAt >= moveAfterMs);

  const lostReason = (worker: Worker): string =>
    `${worker.problem} The seat comes back with its files when the worker does; ` +
    `${Math.round(moveAfterMs / 1000)} s after it was lost it is brought up on another worker, without them.`;

  const place = async (id: SeatId, from: string | null, refused: ReadonlySet<string>): Promise<Worker> => {
    const open = usable().filter(({ address, info }) => !refused.has(address) && info?.status === 'ok');
    const address = await placeSeat(
      database,
      id,
      from,
      open.map((worker) => ({ address: worker.address, capacity: roomOf(worker) })),
    );
    const worker = workers.find((each) => each.address === address);
    if (worker) return worker;
    if (usable().length === 0) {
      throw new ProviderError('unreachable', `No worker with the ${runtime} runtime answers at the moment.`);
    }
    throw new ProviderError(
      'capacity',
      'All workers are full. Add a worker, raise CAPACITY, or end another workshop.',
    );
  };

  return {
    get info(): RuntimeInfo {
      const known = workers.find(({ info }) => info?.runtime.name === runtime)?.info?.runtime;
      return (
        known ?? {
          name: runtime,
          isolation: ISOLATION[runtime],
          note: 'No worker with this runtime answers yet.',
        }
      );
    },

    async ensure(spec, signal) {
      signal.throwIfAborted();
      const refused = new Set<string>();
      for (;;) {
        let placed = await workerOf(database, spec.id);
        let worker = placed === null ? undefined : await homes.of(placed);
        await worker?.looked;
        if (worker?.state !== 'up') {
          if (placed !== null && worker && !isAbandoned(worker)) {
            throw new ProviderError('unreachable', lostReason(worker));
          }
          worker = await place(spec.id, placed, refused);
          placed = worker.address;
        }
        const { agent, address } = worker;
        try {
          await worker.call(signal, (ends) => agent.ensure(spec, ends));
          deps.onEnsured(spec.id, worker);
          return;
        } catch (error) {
          // The worker knows better than our count: it has nothing of this seat, and no room for it.
          if (!(error instanceof ProviderError && error.kind === 'capacity')) throw error;
          if (placed !== null) await unplaceSeat(database, spec.id, placed);
          refused.add(address);
        }
      }
    },

    async stop(id, signal) {
      signal.throwIfAborted();
      const placed = await workerOf(database, id);
      const worker = placed === null ? undefined : await homes.of(placed);
      await worker?.looked;
      if (!worker || (worker.state !== 'up' && isAbandoned(worker))) return;
      await worker.call(signal, (ends) => worker.agent.stop(id, ends));
    },

    async destroy(id, signal) {
      signal.throwIfAborted();
      const placed = await workerOf(database, id);
      const home = placed === null ? undefined : await homes.of(placed);
      await home?.looked;
      const name = seatName(id);
      for (const worker of workers) {
        const holds = worker.state === 'up' && worker.info?.vms.some((vm) => vm.name === name);
        if (worker !== home && !holds) continue;
        // What a worker still has that was given up is destroyed when it comes back.
        if (worker.state !== 'up' && isAbandoned(worker)) continue;
        if (worker.state === 'up') await deps.beforeDestroy(worker);
        await worker.call(signal, (ends) => worker.agent.destroy(id, ends));
      }
      if (placed !== null) await unplaceSeat(database, id, placed);
    },

    async observe(id, signal): Promise<Observed> {
      signal.throwIfAborted();
      const placed = await workerOf(database, id);
      const worker = placed === null ? undefined : await homes.of(placed);
      if (!worker) return { state: 'absent' };
      await worker.looked;
      if (worker.state === 'up') return worker.call(signal, (ends) => worker.agent.observe(id, ends));
      if (isAbandoned(worker)) return { state: 'absent' };
      const givenUpAt = worker.lostAt === undefined ? {} : { givenUpAt: worker.lostAt + moveAfterMs };
      return { state: 'lost', reason: lostReason(worker), ...givenUpAt };
    },

    async list(signal) {
      signal.throwIfAborted();
      const answering = usable();
      if (answering.length === 0) {
        throw new ProviderError(
          'unreachable',
          `No worker with the ${runtime} runtime answers at the moment.`,
        );
      }
      const held = await Promise.all(
        answering.map((worker) => worker.call(signal, (ends) => worker.agent.list(ends))),
      );
      return [...new Map(held.flat().map((id) => [seatName(id), id])).values()];
    },

    async close() {},
  };
}
