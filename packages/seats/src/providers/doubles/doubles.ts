import { type SeatId, seatName } from '@clarateach/contract/ids';
import type { SeatEndpoint } from '@clarateach/contract/seat-server';
import { type Observed, ProviderError, type SeatProvider, type SeatSpec } from '../../provider.ts';

/**
 * Providers in memory for tests of whoever drives seats. They do nothing by themselves: what a seat
 * has become is worked out from the clock when it is observed, so a test decides every moment.
 */
export interface DoubleOptions {
  /** Milliseconds; the wall clock when left out. */
  readonly now?: () => number;
  /** Awaited by every verb before it does anything; lets a test hold a call or be slow. */
  readonly latency?: (verb: Verb, seat: SeatId | undefined) => Promise<void>;
  /** Where a running seat says it is reached; a socket directory that does not exist when left out. */
  readonly endpoint?: (seat: SeatId) => SeatEndpoint;
}

export type Verb = 'ensure' | 'stop' | 'destroy' | 'observe' | 'list';

export interface DoubleProvider extends SeatProvider {
  /** Every call of `ensure`, `stop` and `destroy`, in order. */
  readonly calls: readonly { readonly verb: Verb; readonly seat: SeatId; readonly spec?: SeatSpec }[];
  /** Times the seat was really started; an `ensure` of a seat that runs is none. */
  starts(seat: SeatId): number;
  /** The seat dies; its files stay. */
  kill(seat: SeatId, code?: number): void;
  /** The seat and its files go away behind everybody's back. */
  vanish(seat: SeatId): void;
  /** The next `times` calls of the verb throw `error`. */
  fail(verb: Verb, error: Error, times?: number): void;
  /** A mark in the seat's files, to see whether they outlive a stop, a crash, a reset. */
  readonly files: Map<string, string>;
}

interface DoubleSeat {
  readonly id: SeatId;
  /** Undefined while the seat is stopped and only its files are kept. */
  start: { readonly at: number; readonly number: number } | undefined;
  exit: { readonly code: number; readonly reason: string } | undefined;
  starts: number;
}

/** What a started seat has become `sinceMs` after its start, the `number`-th, counted from 1. */
type Course = (sinceMs: number, number: number) => 'starting' | 'running' | 'exited';

/** Seats run as soon as they are asked for. */
export function instantProvider(options: DoubleOptions = {}): DoubleProvider {
  return doubleProvider(options, { course: () => 'running' });
}

/** Seats run `startMs` after they were asked for. */
export function slowProvider(options: DoubleOptions & { readonly startMs: number }): DoubleProvider {
  return doubleProvider(options, {
    course: (sinceMs) => (sinceMs < options.startMs ? 'starting' : 'running'),
  });
}

/** Seats start and never answer. */
export function neverProvider(options: DoubleOptions = {}): DoubleProvider {
  return doubleProvider(options, { course: () => 'starting' });
}

/** Seats exit `runsMs` after each of their first `crashes` starts (all, when left out), having run until then. */
export function crashingProvider(
  options: DoubleOptions & { readonly runsMs?: number; readonly crashes?: number } = {},
): DoubleProvider {
  const { runsMs = 0, crashes = Number.POSITIVE_INFINITY } = options;
  return doubleProvider(options, {
    course: (sinceMs, number) => (number <= crashes && sinceMs >= runsMs ? 'exited' : 'running'),
  });
}

/** Room for `room` running seats; one more is refused with `capacity`. */
export function fullProvider(options: DoubleOptions & { readonly room: number }): DoubleProvider {
  return doubleProvider(options, { course: () => 'running', room: options.room });
}

function doubleProvider(
  options: DoubleOptions,
  { course, room = Number.POSITIVE_INFINITY }: { course: Course; room?: number },
): DoubleProvider {
  const { now = Date.now, latency, endpoint = nowhere } = options;
  const seats = new Map<string, DoubleSeat>();
  const files = new Map<string, string>();
  const calls: { verb: Verb; seat: SeatId; spec?: SeatSpec }[] = [];
  const failures = new Map<Verb, Error[]>();
  const busy = new Set<string>();

  function look(seat: DoubleSeat): Observed {
    if (!seat.start) return { state: 'absent' };
    if (seat.exit) return { state: 'exited', ...seat.exit };
    switch (course(now() - seat.start.at, seat.start.number)) {
      case 'starting':
        return { state: 'starting' };
      case 'running':
        return { state: 'running', endpoint: endpoint(seat.id) };
      case 'exited':
        return { state: 'exited', code: 1, reason: 'it crashes' };
    }
  }

  async function enter(verb: Verb, seat: SeatId | undefined, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    await latency?.(verb, seat);
    signal.throwIfAborted();
    const failure = failures.get(verb)?.shift();
    if (failure) throw failure;
  }

  /** The port promises a provider that one process never has two changes of one seat under way. */
  async function alone<T>(verb: Verb, seat: SeatId, change: () => Promise<T>): Promise<T> {
    const name = seatName(seat);
    if (busy.has(name))
      throw new Error(`${verb} of ${name} was called while another change of it was under way`);
    busy.add(name);
    try {
      return await change();
    } finally {
      busy.delete(name);
    }
  }

  return {
    info: { name: 'local', isolation: 'process', note: 'Seats in memory, for tests.' },
    calls,
    files,

    ensure: (spec, signal) =>
      alone('ensure', spec.id, async () => {
        calls.push({ verb: 'ensure', seat: spec.id, spec });
        await enter('ensure', spec.id, signal);
        const name = seatName(spec.id);
        const seat = seats.get(name) ?? { id: spec.id, start: undefined, exit: undefined, starts: 0 };
        const state = look(seat).state;
        if (state === 'starting' || state === 'running') return;
        const taken = [...seats.values()].filter(
          (other) => other !== seat && other.start && !other.exit,
        ).length;
        if (taken >= room)
          throw new ProviderError('capacity', `There is room for ${room} seats, and all of it is taken.`);
        seat.starts += 1;
        seat.start = { at: now(), number: seat.starts };
        seat.exit = undefined;
        seats.set(name, seat);
        if (!files.has(name)) files.set(name, '');
      }),

    stop: (id, signal) =>
      alone('stop', id, async () => {
        calls.push({ verb: 'stop', seat: id });
        await enter('stop', id, signal);
        const seat = seats.get(seatName(id));
        if (seat) seat.start = undefined;
      }),

    destroy: (id, signal) =>
      alone('destroy', id, async () => {
        calls.push({ verb: 'destroy', seat: id });
        await enter('destroy', id, signal);
        seats.delete(seatName(id));
        files.delete(seatName(id));
      }),

    async observe(id, signal) {
      await enter('observe', id, signal);
      const seat = seats.get(seatName(id));
      return seat ? look(seat) : { state: 'absent' };
    },

    async list(signal) {
      await enter('list', undefined, signal);
      return [...seats.values()].map((seat) => seat.id);
    },

    async close() {},

    starts: (id) => seats.get(seatName(id))?.starts ?? 0,

    kill(id, code = 137) {
      const seat = seats.get(seatName(id));
      if (seat?.start) seat.exit = { code, reason: 'killed by the test' };
    },

    vanish(id) {
      seats.delete(seatName(id));
      files.delete(seatName(id));
    },

    fail(verb, error, times = 1) {
      failures.set(verb, [...(failures.get(verb) ?? []), ...Array.from({ length: times }, () => error)]);
    },
  };
}

function nowhere(seat: SeatId): SeatEndpoint {
  return { kind: 'unix', directory: `/nonexistent/${seatName(seat)}` };
}
