import type { AgentInfo } from '@clarateach/contract/agent-api';
import { ProviderError } from '@clarateach/seats/provider';
import { type RemoteAgent, remoteAgent } from '@clarateach/seats/providers/remote';
import type { WorkerAgent } from './worker-agents.ts';

const HEARTBEAT_MS = 1_000;
const ANSWER_MS = 3_000;
/** A worker is lost after so many heartbeats without an answer, or after so long. */
const MISSED_HEARTBEATS = 3;
const SILENCE_MS = 4_000;

/**
 * `unknown`: not heard of since this server's start. `down`: does not answer. `refused`: answers, but
 * takes another token, speaks another version, or is one that is watched under another address already.
 */
export type WorkerState = 'unknown' | 'up' | 'down' | 'refused';

/** One machine with an agent, watched by heartbeat. */
export interface Worker {
  readonly address: string;
  readonly agent: RemoteAgent;
  readonly state: WorkerState;
  /** What it last said of itself. */
  readonly info: AgentInfo | undefined;
  /** Why it cannot be used; empty while it is up. */
  readonly problem: string;
  /** Milliseconds since the epoch; undefined before the first answer. */
  readonly heardAt: number | undefined;
  /** Milliseconds since the epoch; undefined while it answers, or nobody has asked. */
  readonly lostAt: number | undefined;
  /** How far its clock is ahead of ours, in milliseconds, and at least so far; 0 where they agree as far as one can tell. */
  readonly clockAheadMs: number;
  /** Resolves after the first heartbeat, however it went. */
  readonly looked: Promise<void>;
  /** Runs a call to its agent, which ends with `unreachable` when the worker is lost meanwhile. */
  call<T>(signal: AbortSignal, work: (signal: AbortSignal) => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

export function watchWorker(deps: {
  readonly worker: WorkerAgent;
  readonly installation: string;
  readonly now: () => number;
  /** Why a worker that answers is not used; empty where it is. */
  readonly refusal: (worker: Worker) => string;
  /** Called with each answer, before the worker counts as up. No heartbeat comes before it resolves. */
  readonly onInfo: (worker: Worker, info: AgentInfo) => Promise<void>;
  readonly onState: (worker: Worker) => void;
  readonly onError: (error: unknown) => void;
}): Worker {
  const { worker: named, now } = deps;
  const agent = remoteAgent({ ...named, installation: deps.installation });
  const closing = new AbortController();
  const looked = Promise.withResolvers<void>();
  let lost = new AbortController();
  let state: WorkerState = 'unknown';
  let info: AgentInfo | undefined;
  let problem = '';
  let heardAt: number | undefined;
  let lostAt: number | undefined;
  let missed = 0;
  let clockAheadMs = 0;
  let failing = false;
  let woken = Promise.withResolvers<void>();

  const enter = (next: WorkerState, why: string): void => {
    const changed = next !== state;
    problem = why;
    if (!changed) return;
    const usable = next === 'up';
    state = next;
    // One that refuses us lives, and so do its seats: nothing there may be given up.
    lostAt = next === 'down' ? now() : undefined;
    if (usable) lost = new AbortController();
    else lost.abort(new ProviderError('unreachable', why));
    deps.onState(worker);
  };

  const beat = async (): Promise<void> => {
    try {
      const signal = AbortSignal.any([closing.signal, AbortSignal.timeout(ANSWER_MS)]);
      const askedAt = now();
      const answer = await agent.inspect(signal);
      info = answer;
      heardAt = now();
      clockAheadMs = aheadOf(answer.now, askedAt, heardAt);
      missed = 0;
      const why = deps.refusal(worker);
      if (why !== '') {
        enter('refused', why);
        return;
      }
      await deps.onInfo(worker, answer).then(
        () => {
          failing = false;
        },
        (error: unknown) => {
          // Reported once an outage, not once a second.
          if (!failing && !closing.signal.aborted) deps.onError(error);
          failing = true;
        },
      );
      enter('up', '');
    } catch (error) {
      if (closing.signal.aborted) return;
      missed++;
      if (error instanceof ProviderError && error.kind === 'rejected') {
        enter('refused', error.message);
        return;
      }
      const silent = heardAt === undefined || now() - heardAt >= SILENCE_MS;
      if (state !== 'up' || missed >= MISSED_HEARTBEATS || silent) {
        enter('down', `The worker ${new URL(named.address).host} does not answer.`);
      }
    }
  };

  const run = async (): Promise<void> => {
    while (!closing.signal.aborted) {
      woken = Promise.withResolvers();
      await beat();
      looked.resolve();
      if (closing.signal.aborted) return;
      const timer = setTimeout(woken.resolve, HEARTBEAT_MS);
      await woken.promise;
      clearTimeout(timer);
    }
  };

  const worker: Worker = {
    address: named.address,
    agent,
    get state() {
      return state;
    },
    get info() {
      return info;
    },
    get problem() {
      return problem;
    },
    get heardAt() {
      return heardAt;
    },
    get lostAt() {
      return lostAt;
    },
    get clockAheadMs() {
      return clockAheadMs;
    },
    looked: looked.promise,
    async call(signal, work) {
      if (state !== 'up') throw new ProviderError('unreachable', problem);
      return work(AbortSignal.any([signal, lost.signal]));
    },
    async close() {
      closing.abort();
      woken.resolve();
      looked.resolve();
      await running;
    },
  };
  // Begun only now: its first answer already speaks of `worker`.
  const running = run();
  return worker;
}

/** It read its clock at some moment between the question and the answer. */
function aheadOf(theirs: number | undefined, askedAt: number, heardAt: number): number {
  if (theirs === undefined) return 0;
  return theirs - Math.min(Math.max(theirs, askedAt), heardAt);
}
