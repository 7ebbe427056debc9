import { type SeatId, seatName } from '@clarateach/contract/ids';
import type { RuntimeInfo, RuntimeName } from '@clarateach/contract/runtime';
import { type Observed, ProviderError, type SeatProvider } from '@clarateach/seats/provider';
import { Turnstile } from '@clarateach/seats/turnstile';
import type { Database } from '../store/database.ts';
import type { Homes } from './homes.ts';
import { type Candidate, hasRoom, placeSeat, turnBackSeat, unplaceSeat, workerOf } from './placement.ts';
import type { Worker } from './worker.ts';

const ISOLATION: Record<RuntimeName, RuntimeInfo['isolation']> = {
  local: 'process',
  docker: 'container',
  firecracker: 'vm',
};

const NOBODY: ReadonlySet<string> = new Set();

/** How many of our seats fit on the worker, beside those that others have there. */
function roomOf({ info }: Worker): number {
  return info === undefined ? 0 : info.capacity - (info.vm_count - info.vms.length);
}

/** Where a seat is, by its row and by what is known of the worker that the row names; `address` as the row spells it. */
type Home =
  | { readonly kind: 'none' }
  | { readonly kind: 'here'; readonly worker: Worker; readonly address: string }
  /** Its worker may have it, and nobody can tell: it is left alone. */
  | {
      readonly kind: 'lost';
      readonly worker: Worker;
      readonly address: string;
      readonly reason: string;
      /** Milliseconds since the epoch; left out where it is not given up, or already may be. */
      readonly givenUpAt?: number;
    }
  /** What its worker had is given up, and another can have the seat. */
  | { readonly kind: 'given-up'; readonly address: string };

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
  const turn = new Turnstile();
  const usable = (): Worker[] =>
    workers.filter(({ state, info }) => state === 'up' && info?.runtime.name === runtime);

  const candidates = (refused: ReadonlySet<string>): readonly Candidate[] =>
    usable()
      .filter(({ address, info }) => !refused.has(address) && info?.status === 'ok')
      .map((worker) => ({ address: worker.address, capacity: roomOf(worker) }));

  /** Whether what the worker has may be given up. */
  const isAbandoned = ({ state, lostAt }: Worker): boolean =>
    state !== 'up' && lostAt !== undefined && now() - lostAt >= moveAfterMs;

  const homeOf = async (id: SeatId): Promise<Home> => {
    const placed = await workerOf(database, id);
    if (placed === null) return { kind: 'none' };
    const worker = await homes.of(placed);
    // One that the operator no longer names is gone at once.
    if (!worker) return { kind: 'given-up', address: placed };
    await worker.looked;
    if (worker.state === 'up') {
      const has = worker.info?.runtime.name;
      if (has === runtime) return { kind: 'here', worker, address: placed };
      const reason =
        `The worker ${new URL(placed).host} runs seats in ${has} now, and this one is in ${runtime} there. It comes back with ` +
        `its files when the agent runs with RUNTIME=${runtime}; to give them up, take the worker out of WORKER_AGENTS.`;
      return { kind: 'lost', worker, address: placed, reason };
    }
    if (isAbandoned(worker)) {
      if (await hasRoom(database, candidates(NOBODY))) return { kind: 'given-up', address: placed };
      const reason = `${worker.problem} The seat comes back with its files when the worker does; no other worker has room for it.`;
      return { kind: 'lost', worker, address: placed, reason };
    }
    if (worker.lostAt === undefined) {
      const reason = `${worker.problem} Until then the seat is left as it is, and brought up nowhere else.`;
      return { kind: 'lost', worker, address: placed, reason };
    }
    const reason =
      `${worker.problem} The seat comes back with its files when the worker does; ` +
      `${Math.round(moveAfterMs / 1000)} s after it was lost it is brought up on another worker, without them.`;
    return { kind: 'lost', worker, address: placed, reason, givenUpAt: worker.lostAt + moveAfterMs };
  };

  const place = async (id: SeatId, from: string | null, refused: ReadonlySet<string>): Promise<Worker> => {
    // Queued here, and not with a database connection each.
    const address = await turn.pass(() => placeSeat(database, id, from, candidates(refused)));
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
        const home = await homeOf(spec.id);
        if (home.kind === 'lost') throw new ProviderError('unreachable', home.reason);
        const worker =
          home.kind === 'here'
            ? home.worker
            : await place(spec.id, home.kind === 'given-up' ? home.address : null, refused);
        try {
          await worker.call(signal, (ends) => worker.agent.ensure(spec, ends));
          deps.onEnsured(spec.id, worker);
          return;
        } catch (error) {
          // The worker knows better than our count: no room, and by its word nothing of this seat is on it.
          if (!(error instanceof ProviderError && error.kind === 'capacity')) throw error;
          await turnBackSeat(database, spec.id, home.kind === 'here' ? home.address : worker.address);
          refused.add(worker.address);
        }
      }
    },

    async stop(id, signal) {
      signal.throwIfAborted();
      const home = await homeOf(id);
      if (home.kind === 'lost') throw new ProviderError('unreachable', home.reason);
      if (home.kind !== 'here') return;
      const { worker } = home;
      await worker.call(signal, (ends) => worker.agent.stop(id, ends));
    },

    async destroy(id, signal) {
      signal.throwIfAborted();
      const home = await homeOf(id);
      // What a worker still has that was given up is destroyed when it comes back.
      if (home.kind === 'lost' && !isAbandoned(home.worker)) {
        throw new ProviderError('unreachable', home.reason);
      }
      const name = seatName(id);
      for (const worker of usable()) {
        const isHome = home.kind === 'here' && worker === home.worker;
        if (!isHome && !worker.info?.vms.some((vm) => vm.name === name)) continue;
        await deps.beforeDestroy(worker);
        await worker.call(signal, (ends) => worker.agent.destroy(id, ends));
      }
      if (home.kind !== 'none') await unplaceSeat(database, id, home.address);
    },

    async observe(id, signal): Promise<Observed> {
      signal.throwIfAborted();
      const home = await homeOf(id);
      switch (home.kind) {
        case 'none':
        case 'given-up':
          return { state: 'absent' };
        case 'here':
          return home.worker.call(signal, (ends) => home.worker.agent.observe(id, ends));
        case 'lost': {
          const { reason, givenUpAt } = home;
          return { state: 'lost', reason, ...(givenUpAt === undefined ? {} : { givenUpAt }) };
        }
      }
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
