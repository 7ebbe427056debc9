import type { SeatId } from '@clarateach/contract/ids';
import { nextStep, type SeatFailure, type Step, type Wanted } from '@clarateach/seats/lifecycle';
import { type Observed, ProviderError, type SeatProvider, type SeatSpec } from '@clarateach/seats/provider';
import type { Database } from '../store/database.ts';
import { FRESH_SEAT, type SeatRow } from '../workshops/store.ts';
import { observedOf, policy, situationOf } from './situation.ts';
import { loadSeatWork, type SeatWork, type SeatWrites } from './store.ts';

/** How soon a seat that is on its way is looked at again; the pause grows up to the second. */
const FIRST_LOOK_MS = 25;
const LAST_LOOK_MS = 250;
/** How often a seat that is as wanted is looked at. */
const STEADY_LOOK_MS = 3_000;
/** An `ensure` that took so long has waited for others. */
const QUEUED_MS = 1_000;
/** After an error of the database or of `observe`, which say nothing about the seat. */
const BLIND_MS = 1_000;

export interface SeatLoopDeps {
  readonly database: Database;
  readonly rows: SeatWrites;
  readonly now: () => number;
  provider(work: SeatWork): SeatProvider | undefined;
  spec(work: SeatWork): SeatSpec;
  /** Bounds how many seats of a provider are made or removed at once. */
  limited<T>(provider: SeatProvider, work: () => Promise<T>): Promise<T>;
  changed(id: SeatId): void;
  onStep(step: Step['do'], id: SeatId, failure: SeatFailure | undefined): void;
  onError(error: unknown, id: SeatId): void;
}

/**
 * Brings one seat to what is wanted, step by step, for as long as this server holds the workshop.
 * It keeps nothing that matters in memory: whatever it was doing when it ended is found again from
 * the row and from what the provider sees.
 */
export class SeatLoop {
  readonly id: SeatId;
  /** The newest revision of the row that this loop knows; a newer one is a reason to wake it. */
  knownRevision = 0;
  /** The row is gone, and with it the reason for this loop. */
  ended = false;
  readonly #deps: SeatLoopDeps;
  readonly #abort = new AbortController();
  readonly #ended: Promise<void>;
  /** The row as this loop last read or wrote it; read anew once somebody else has changed it. */
  #work: SeatWork | undefined;
  #woken = Promise.withResolvers<void>();
  #lookMs = FIRST_LOOK_MS;

  constructor(id: SeatId, deps: SeatLoopDeps) {
    this.id = id;
    this.#deps = deps;
    this.#ended = this.#run();
  }

  /** Somebody changed the row: look now. */
  wake(): void {
    this.#work = undefined;
    this.#lookMs = FIRST_LOOK_MS;
    this.#woken.resolve();
  }

  /** Resolves when no call of this loop is under way any more. */
  async close(): Promise<void> {
    this.#abort.abort();
    this.#woken.resolve();
    await this.#ended;
  }

  async #run(): Promise<void> {
    const { signal } = this.#abort;
    while (!signal.aborted) {
      this.#woken = Promise.withResolvers();
      let pauseMs: number | 'ended';
      try {
        pauseMs = await this.#once(signal);
      } catch (error) {
        if (signal.aborted) return;
        this.#deps.onError(error, this.id);
        this.#work = undefined;
        pauseMs = BLIND_MS;
      }
      if (pauseMs === 'ended') {
        this.ended = true;
        return;
      }
      if (pauseMs > 0) await pause(pauseMs, this.#woken.promise);
    }
  }

  /** One look and at most one step; gives the pause until the next. */
  async #once(signal: AbortSignal): Promise<number | 'ended'> {
    const { database, now } = this.#deps;
    const work = this.#work ?? (await loadSeatWork(database, this.id.workshop, this.id.seat));
    if (!work) return 'ended';
    this.#work = work;
    this.knownRevision = work.row.revision;
    const provider = this.#deps.provider(work);
    // A server without this runtime leaves the seat to one that has it.
    if (!provider) return STEADY_LOOK_MS;

    const seen = await provider.observe(this.id, AbortSignal.any([signal, AbortSignal.timeout(10_000)]));
    const row = await this.#record(work.row, seen);
    if (!row) return 0;
    const step = nextStep(situationOf(row, { claimed: false, now: now(), seen }), policy);
    return this.#take(step, { ...work, row }, provider, signal);
  }

  async #take(step: Step, work: SeatWork, provider: SeatProvider, signal: AbortSignal): Promise<number> {
    const { limited, now } = this.#deps;
    const { row } = work;
    if (step.do !== 'wait' && step.do !== 'nothing' && step.do !== 'give-up') {
      this.#deps.onStep(step.do, this.id, step.do === 'record-failure' ? step.failure : undefined);
    }
    switch (step.do) {
      case 'nothing':
      case 'give-up':
        return STEADY_LOOK_MS;
      case 'wait':
        return Math.min(step.ms, row.seen === 'running' ? STEADY_LOOK_MS : this.#nextLookMs());
      case 'settle':
        await this.#write(row, FRESH_SEAT);
        return 0;
      case 'record-failure':
        await this.#write(row, this.#failed(step.failure));
        return 0;
      case 'ensure': {
        // Counted before it is asked, so that a crash in the middle counts too.
        const asked = await this.#write(row, { attempts: row.attempts + 1, ensuredAt: now() });
        if (!asked) return 0;
        this.#lookMs = FIRST_LOOK_MS;
        return this.#call(asked, async () => {
          await limited(provider, () => provider.ensure(this.#deps.spec(work), signal));
          // The time in queues, ours and the provider's, is not the seat's to start in.
          if (now() - (asked.ensuredAt ?? 0) >= QUEUED_MS) await this.#write(asked, { ensuredAt: now() });
        });
      }
      case 'stop':
        return this.#call(row, async () => {
          await limited(provider, () => provider.stop(this.id, signal));
          await this.#write(row, nowWanted(row, step.next));
        });
      case 'destroy':
        return this.#call(row, async () => {
          await limited(provider, () => provider.destroy(this.id, signal));
          if (step.next === 'forgotten') {
            await this.#deps.rows.forget(row);
            this.#work = undefined;
            this.#deps.changed(this.id);
          } else {
            await this.#write(row, nowWanted(row, step.next));
          }
        });
    }
  }

  /** Makes a call to the provider, and writes down its failure; other errors are not the seat's. */
  async #call(row: SeatRow, call: () => Promise<unknown>): Promise<number> {
    try {
      await call();
    } catch (error) {
      if (!(error instanceof ProviderError)) throw error;
      const failure: SeatFailure = { kind: error.kind, message: error.message };
      this.#deps.onStep('record-failure', this.id, failure);
      await this.#write(row, this.#failed(failure));
    }
    return 0;
  }

  #failed(failure: SeatFailure): Partial<SeatRow> {
    return {
      ensuredAt: null,
      failedAt: this.#deps.now(),
      failureKind: failure.kind,
      failureMessage: failure.message,
    };
  }

  /** Keeps what was seen when it is news; undefined when the row has changed under us. */
  async #record(row: SeatRow, seen: Observed): Promise<SeatRow | undefined> {
    const observed = JSON.stringify(seen);
    if (observed === row.observed) return row;
    // A seat on its way out has no news that anybody waits for.
    if (row.wanted !== 'running' && observedOf(row).state === seen.state) return row;
    return this.#write(row, { seen: seen.state, observed });
  }

  async #write(row: SeatRow, values: Partial<SeatRow>): Promise<SeatRow | undefined> {
    const work = this.#work;
    const written = await this.#deps.rows.write(row, values);
    // Somebody woke the loop meanwhile, or changed the row under it: look at it anew.
    this.#work = written && work && this.#work === work ? { ...work, row: written } : undefined;
    if (written) {
      this.knownRevision = written.revision;
      this.#deps.changed(this.id);
    }
    return written;
  }

  #nextLookMs(): number {
    const lookMs = this.#lookMs;
    this.#lookMs = Math.min(lookMs * 1.5, LAST_LOOK_MS);
    return lookMs;
  }
}

/** A seat of which nothing runs any more. Only a new wish begins its history anew. */
function nowWanted(row: SeatRow, next: Wanted): Partial<SeatRow> {
  if (next === 'parked') throw new Error('A row never asks for a parked seat.');
  const absent: Observed = { state: 'absent' };
  return {
    ...(next === row.wanted ? {} : FRESH_SEAT),
    wanted: next,
    seen: absent.state,
    observed: JSON.stringify(absent),
  };
}

async function pause(ms: number, woken: Promise<void>): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  await Promise.race([promise, woken]);
  clearTimeout(timer);
}
