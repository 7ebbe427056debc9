import type { HolderRequest, Vm } from '@clarateach/contract/agent-api';
import { type SeatId, seatName } from '@clarateach/contract/ids';
import type { SeatRoutes } from '@clarateach/gateway/ports';
import { type Observed, ProviderError, type SeatProvider, type SeatSpec } from '@clarateach/seats/provider';
import { Slots, Turnstiles } from '@clarateach/seats/turnstile';
import type { Holders } from './holders.ts';
import type { Owners } from './owners.ts';
import { createSeatRoutes } from './seat-routes.ts';
import { vmState, vmView } from './vm-view.ts';

/** How often each seat is looked at when nobody asks, so that routes are right while the server is away. */
const WATCH_MS = 3_000;
const LOOKS_AT_ONCE = 8;
const LOOK_MS = 10_000;
const REMOVE_MS = 30_000;

/** The seats of this machine: a provider behind a bound on their number, and the gateway's routes to them. */
export interface AgentSeats {
  readonly routes: SeatRoutes;
  readonly count: number;
  /** Whether the provider answered when it was last asked. */
  readonly healthy: boolean;
  /** Seats by what was last seen of them. */
  states(): Readonly<Record<Vm['state'], number>>;
  /** The installation whose seat it is; null for one without a label, and for one that is not here. */
  ownerOf(id: SeatId): string | null;
  /**
   * Gives whether the seat is new here; labels it for the installation, if one is given and it has no label.
   * Throws `capacity` when the machine is full or takes no new seats, and nothing of the seat is here then:
   * whoever is told so may make it elsewhere. A seat that is here and finds no room stays, as `unreachable`.
   */
  ensure(spec: SeatSpec, installation: string | null, signal: AbortSignal): Promise<boolean>;
  stop(id: SeatId, signal: AbortSignal): Promise<void>;
  destroy(id: SeatId, signal: AbortSignal): Promise<void>;
  /** Undefined for a seat of which nothing is here. */
  look(id: SeatId, signal: AbortSignal): Promise<Vm | undefined>;
  list(signal: AbortSignal): Promise<readonly Vm[]>;
  /** False when there is no such seat. */
  setHolder(id: SeatId, holder: HolderRequest): Promise<boolean>;
  /** Whether no new seat is taken from now on. */
  draining: boolean;
  close(): Promise<void>;
}

interface Held {
  readonly id: SeatId;
  seen: Observed;
  lookedAt: number;
  /** Grows when the seat is changed: what was seen before that is out of date. */
  changes: number;
}

export async function openAgentSeats(deps: {
  readonly provider: SeatProvider;
  readonly capacity: number;
  readonly holders: Holders;
  readonly owners: Owners;
  readonly draining: boolean;
  /** Called after each `ensure` that the provider was asked for. */
  readonly onEnsured: (durationMs: number, outcome: 'ok' | 'failed') => void;
  /** The last seat of a machine that takes no new ones is gone. */
  readonly onEmpty: () => void;
  readonly onError: (error: unknown, id: SeatId | undefined) => void;
}): Promise<AgentSeats> {
  const { provider, capacity, holders, owners, onError } = deps;
  const held = new Map<string, Held>();
  /** Seats that have not been made whole since they were new: nobody has worked in them. */
  const halfMade = new Set<string>();
  const turns = new Turnstiles();
  const looks = new Slots(LOOKS_AT_ONCE);
  const closing = new AbortController();
  let { draining } = deps;
  let healthy = true;
  let timer: NodeJS.Timeout | undefined;
  let watching: Promise<void> = Promise.resolve();

  const { routes, tell } = createSeatRoutes({
    find(id) {
      const seat = held.get(seatName(id));
      if (!seat) return undefined;
      return { id: seat.id, endpoint: endpointOf(seat), holder: holders.of(id)?.odehash ?? undefined };
    },
    look: (id) => observe(id, AbortSignal.timeout(LOOK_MS)),
  });

  const take = (id: SeatId): Held => {
    const name = seatName(id);
    const known = held.get(name) ?? { id, seen: { state: 'absent' }, lookedAt: 0, changes: 0 };
    held.set(name, known);
    return known;
  };

  const record = (seat: Held, seen: Observed): void => {
    const before = endpointOf(seat);
    seat.seen = seen;
    if (JSON.stringify(before) !== JSON.stringify(endpointOf(seat))) tell(seat.id);
  };

  const forget = async (id: SeatId): Promise<void> => {
    const had = held.delete(seatName(id));
    halfMade.delete(seatName(id));
    if (had) tell(id);
    await holders.forget(id);
    // Also of a seat that a crash kept from being made.
    await owners.forget(id);
    if (had && draining && held.size === 0 && !closing.signal.aborted) deps.onEmpty();
  };

  /** Brings what is held in line with what the provider has; seats under change are left to their change. */
  const sync = async (signal: AbortSignal): Promise<void> => {
    const before = new Map([...held].map(([name, seat]) => [name, seat.changes]));
    let ids: readonly SeatId[];
    try {
      ids = await provider.list(signal);
      healthy = true;
    } catch (error) {
      signal.throwIfAborted();
      healthy = false;
      throw error;
    }
    const names = new Set(ids.map(seatName));
    for (const id of ids) take(id);
    for (const [name, changes] of before) {
      const seat = held.get(name);
      if (seat && !names.has(name) && seat.changes === changes && !changing.has(name)) await forget(seat.id);
    }
  };
  const changing = new Set<string>();

  const change = (id: SeatId, work: () => Promise<void>): Promise<void> => {
    const name = seatName(id);
    return turns.pass(name, async () => {
      changing.add(name);
      try {
        await work();
      } finally {
        changing.delete(name);
        const seat = held.get(name);
        if (seat) seat.changes++;
      }
    });
  };

  const observe = async (id: SeatId, signal: AbortSignal): Promise<Observed> => {
    const seat = held.get(seatName(id));
    const changes = seat?.changes;
    const seen = await provider.observe(id, signal);
    if (seat && seat.changes === changes && held.get(seatName(id)) === seat) {
      seat.lookedAt = Date.now();
      // A seat that is being stopped may still answer, and must not be let in again.
      if (!changing.has(seatName(id)) || seen.state !== 'running') record(seat, seen);
    }
    return seen;
  };

  /** Routes go first: a seat that is going away must not answer any more. */
  const shut = (id: SeatId): void => {
    const seat = held.get(seatName(id));
    if (!seat) return;
    seat.changes++;
    record(seat, { state: 'absent' });
  };

  const watch = async (): Promise<void> => {
    try {
      await sync(AbortSignal.any([closing.signal, AbortSignal.timeout(LOOK_MS)]));
      await Promise.all(
        [...held.values()].map((seat) =>
          looks.run(async () => {
            if (Date.now() - seat.lookedAt < WATCH_MS || closing.signal.aborted) return;
            await observe(seat.id, AbortSignal.any([closing.signal, AbortSignal.timeout(LOOK_MS)]));
          }),
        ),
      );
    } catch (error) {
      if (!closing.signal.aborted) onError(error, undefined);
    }
    if (closing.signal.aborted) return;
    timer = setTimeout(() => {
      watching = watch();
    }, WATCH_MS);
  };

  await sync(AbortSignal.timeout(LOOK_MS));
  watching = watch();

  return {
    routes,
    get count() {
      return held.size;
    },
    get healthy() {
      return healthy;
    },

    states() {
      const counts: Record<Vm['state'], number> = { absent: 0, starting: 0, running: 0, exited: 0 };
      for (const { seen } of held.values()) counts[vmState(seen)]++;
      return counts;
    },

    ownerOf: (id) => owners.of(id),

    async ensure(spec, installation, signal) {
      let isNew = false;
      await change(spec.id, async () => {
        signal.throwIfAborted();
        const name = seatName(spec.id);
        isNew = !held.has(name);
        const hasFiles = !isNew && !halfMade.has(name);
        if (isNew && draining)
          throw new ProviderError('capacity', 'The worker is being drained and takes no new seats.');
        if (isNew && held.size >= capacity) {
          throw new ProviderError(
            'capacity',
            `The worker is full: it has ${held.size} of ${capacity} seats.`,
          );
        }
        take(spec.id);
        const began = performance.now();
        try {
          // On disk before there is anything to be labelled, so that no crash leaves a seat to nobody.
          if (installation !== null) await owners.label(spec.id, installation);
          await provider.ensure(spec, signal);
          halfMade.delete(name);
          deps.onEnsured(performance.now() - began, 'ok');
        } catch (error) {
          deps.onEnsured(performance.now() - began, 'failed');
          const isFull = error instanceof ProviderError && error.kind === 'capacity';
          if (isFull && hasFiles) throw staysHere(error);
          if (!hasFiles) {
            if (isFull) await removeHalfMade(provider, spec.id);
            if (await holds(provider, spec.id)) halfMade.add(name);
            else await forget(spec.id);
          }
          throw error;
        }
      });
      return isNew;
    },

    stop: (id, signal) =>
      change(id, async () => {
        signal.throwIfAborted();
        shut(id);
        await provider.stop(id, signal);
      }),

    destroy: (id, signal) =>
      change(id, async () => {
        signal.throwIfAborted();
        shut(id);
        await provider.destroy(id, signal);
        await forget(id);
      }),

    async look(id, signal) {
      const seen = await observe(id, signal);
      return seen.state === 'absent' && !held.has(seatName(id)) ? undefined : vmView(id, seen, deps);
    },

    async list(signal) {
      await sync(signal);
      return [...held.values()].map((seat) => vmView(seat.id, seat.seen, deps));
    },

    async setHolder(id, holder) {
      if (!held.has(seatName(id))) return false;
      const before = holders.of(id)?.odehash;
      const saving = holders.set(id, holder);
      if (holders.of(id)?.odehash !== before) tell(id);
      await saving;
      return true;
    },

    get draining() {
      return draining;
    },
    set draining(value) {
      draining = value;
    },

    async close() {
      closing.abort();
      clearTimeout(timer);
      await watching;
    },
  };
}

function endpointOf({ seen }: Held) {
  return seen.state === 'running' ? seen.endpoint : undefined;
}

/** Without room to start, but with files that are nowhere else. */
function staysHere(cause: ProviderError): ProviderError {
  return new ProviderError('unreachable', `${cause.message} The seat and its files stay on this worker.`, {
    cause,
  });
}

/** Throws `unreachable` when something may be left, so that nobody makes the seat elsewhere. */
async function removeHalfMade(provider: SeatProvider, id: SeatId): Promise<void> {
  try {
    await provider.destroy(id, AbortSignal.timeout(REMOVE_MS));
  } catch (cause) {
    throw new ProviderError(
      'unreachable',
      'The worker has no room for the seat, and could not remove what it had made of it. It is tried again here.',
      { cause },
    );
  }
}

/** When nobody can tell, the place stays taken. */
async function holds(provider: SeatProvider, id: SeatId): Promise<boolean> {
  try {
    return (await provider.list(AbortSignal.timeout(LOOK_MS))).some(
      (each) => seatName(each) === seatName(id),
    );
  } catch {
    return true;
  }
}
