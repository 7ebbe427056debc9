import type { SeatPhase } from '@clarateach/contract/workshop';
import type { Observed, ProviderErrorKind } from './provider.ts';

/**
 * What the database wants of a seat. `restart`: stop, then run; files stay. `reset`: destroy, then
 * run. `parked`: nothing runs, files stay. `gone`: nothing is left.
 */
export type Wanted = 'running' | 'restart' | 'reset' | 'parked' | 'gone';

/** Why the last try came to nothing. `start_deadline`: the seat was there and never answered. */
export interface SeatFailure {
  readonly kind: ProviderErrorKind | 'exited' | 'start_deadline';
  readonly message: string;
}

/**
 * All that decides what happens to a seat next. Whoever changes `wanted`, person or step, starts
 * the rest afresh: `attempts` 0, no ensure under way, no failure. That is how a seat that was given
 * up is tried again.
 */
export interface SeatSituation {
  readonly wanted: Wanted;
  readonly seen: Observed;
  /** Starts asked for since the seat last ran steadily. */
  readonly attempts: number;
  /** Milliseconds since `ensure` was asked; undefined when none is under way. */
  readonly sinceEnsureMs: number | undefined;
  /** The failure after the last `ensure`, `stop` or `destroy`; a call that succeeds leaves it. */
  readonly lastFailure: SeatFailure | undefined;
  /** Milliseconds since `lastFailure`. */
  readonly sinceFailureMs: number | undefined;
  /** Whether a learner holds the seat. */
  readonly claimed: boolean;
}

export interface LifecyclePolicy {
  /** A seat that has not answered so long after `ensure` is stopped and started again. */
  readonly startDeadlineMs: number;
  /** A seat that ran so long since its last start or failure is well, and its attempts are forgotten. */
  readonly steadyMs: number;
  /** Starts that may come to nothing before the seat is given up. */
  readonly maxAttempts: number;
  /** Pause between a failed start and the next, after `attempt` starts; 0 after none. */
  backoffMs(attempt: number): number;
  /** Pause between a failed stop or destroy and the next; these are never given up. */
  readonly cleanupRetryMs: number;
}

export const defaultPolicy: LifecyclePolicy = {
  startDeadlineMs: 60_000,
  steadyMs: 10_000,
  maxAttempts: 5,
  backoffMs: (attempt) => (attempt <= 0 ? 0 : Math.min(500 * 2 ** (attempt - 1), 15_000)),
  cleanupRetryMs: 2_000,
};

/** What to do now, and what to write into the row. */
export type Step =
  /** All is as wanted. */
  | { readonly do: 'nothing' }
  /** Look again in so many milliseconds, or when something is seen. */
  | { readonly do: 'wait'; readonly ms: number }
  /** Before the call: `attempts` + 1, an ensure is under way from now. When it throws: the failure, and no ensure is under way. */
  | { readonly do: 'ensure' }
  /** When it succeeds, `next` is wanted. When it throws: the failure. */
  | { readonly do: 'stop'; readonly next: Wanted }
  /** When it succeeds, `next` is wanted, or the seat's row goes. When it throws: the failure. */
  | { readonly do: 'destroy'; readonly next: Wanted | 'forgotten' }
  /** Write down the failure; no ensure is under way any more. */
  | { readonly do: 'record-failure'; readonly failure: SeatFailure }
  /** The seat runs steadily: `attempts` 0, no ensure under way, no failure. */
  | { readonly do: 'settle' }
  /** No call helps until somebody asks for the seat again. */
  | { readonly do: 'give-up'; readonly reason: string };

/** The next step for one seat. Pure and total; called again after every step and every observation. */
export function nextStep(situation: SeatSituation, policy: LifecyclePolicy): Step {
  switch (situation.wanted) {
    case 'running':
      return towardsRunning(situation, policy);
    case 'restart':
      return cleanup(situation, policy, { do: 'stop', next: 'running' });
    case 'reset':
      return cleanup(situation, policy, { do: 'destroy', next: 'running' });
    case 'parked':
      if (situation.seen.state === 'absent') return { do: 'nothing' };
      return cleanup(situation, policy, { do: 'stop', next: 'parked' });
    case 'gone':
      // `absent` is also said of a stopped seat whose files are kept: only a destroy that
      // succeeded proves that nothing is left.
      return cleanup(situation, policy, { do: 'destroy', next: 'forgotten' });
  }
}

function towardsRunning(situation: SeatSituation, policy: LifecyclePolicy): Step {
  const { seen, sinceEnsureMs, lastFailure } = situation;
  switch (seen.state) {
    case 'running':
      return settle(situation, policy);
    case 'starting':
      if (sinceEnsureMs !== undefined) {
        const leftMs = policy.startDeadlineMs - sinceEnsureMs;
        if (leftMs > 0) return { do: 'wait', ms: leftMs };
        return { do: 'record-failure', failure: tooSlow(policy) };
      }
      // A seat that hangs is stopped before it is tried again, and also before it is given up.
      if (lastFailure?.kind === 'start_deadline')
        return cleanup(situation, { ...policy, cleanupRetryMs: 0 }, { do: 'stop', next: 'running' });
      // A running seat that stopped answering comes here: `ensure` leaves it alone and starts the deadline.
      return tryAgain(situation, policy);
    case 'exited':
      if (sinceEnsureMs === undefined) return tryAgain(situation, policy);
      return { do: 'record-failure', failure: { kind: 'exited', message: exitMessage(seen) } };
    case 'lost':
      // Whoever says so says something else after a stated time.
      return { do: 'nothing' };
    case 'absent':
      if (sinceEnsureMs === undefined) return tryAgain(situation, policy);
      return {
        do: 'record-failure',
        failure: { kind: 'exited', message: 'The seat went away as it started.' },
      };
  }
}

function settle(situation: SeatSituation, policy: LifecyclePolicy): Step {
  const { attempts, sinceEnsureMs, lastFailure, sinceFailureMs } = situation;
  if (attempts === 0 && sinceEnsureMs === undefined && !lastFailure) return { do: 'nothing' };
  const steadyForMs = Math.min(
    sinceEnsureMs ?? Number.POSITIVE_INFINITY,
    sinceFailureMs ?? Number.POSITIVE_INFINITY,
  );
  const leftMs = policy.steadyMs - steadyForMs;
  return leftMs > 0 ? { do: 'wait', ms: leftMs } : { do: 'settle' };
}

function tryAgain(situation: SeatSituation, policy: LifecyclePolicy): Step {
  const reason = giveUpReason(situation, policy);
  if (reason !== undefined) return { do: 'give-up', reason };
  const leftMs =
    policy.backoffMs(situation.attempts) - (situation.sinceFailureMs ?? Number.POSITIVE_INFINITY);
  return leftMs > 0 ? { do: 'wait', ms: leftMs } : { do: 'ensure' };
}

function cleanup(situation: SeatSituation, policy: LifecyclePolicy, step: Step): Step {
  if (!situation.lastFailure) return step;
  const leftMs = policy.cleanupRetryMs - (situation.sinceFailureMs ?? Number.POSITIVE_INFINITY);
  return leftMs > 0 ? { do: 'wait', ms: leftMs } : step;
}

/** Why the seat is not tried again by itself; undefined when it still is. */
function giveUpReason(situation: SeatSituation, policy: LifecyclePolicy): string | undefined {
  const { attempts, lastFailure } = situation;
  if (lastFailure?.kind === 'rejected') return lastFailure.message;
  if (attempts < policy.maxAttempts) return undefined;
  const why = lastFailure?.message ?? 'It never answered.';
  return `The seat did not come up in ${attempts} tries. ${why} Its files are safe; restart it to try again.`;
}

function tooSlow(policy: LifecyclePolicy): SeatFailure {
  const seconds = Math.ceil(policy.startDeadlineMs / 1000);
  return { kind: 'start_deadline', message: `The seat did not answer within ${seconds} s of its start.` };
}

function exitMessage(seen: Extract<Observed, { state: 'exited' }>): string {
  const reason = seen.reason.trim().replace(/\.$/, '');
  return `The seat ended with code ${seen.code}${reason === '' ? '' : `: ${reason}`}.`;
}

/** The phase that people see. */
export function seatPhase(situation: SeatSituation, policy: LifecyclePolicy): SeatPhase {
  const { wanted, seen } = situation;
  if (wanted === 'restart') return 'restarting';
  if (wanted === 'reset') return 'resetting';
  if (wanted === 'gone') return 'stopping';
  if (wanted === 'parked') return seen.state === 'absent' ? 'off' : 'stopping';
  if (seen.state === 'running') return situation.claimed ? 'occupied' : 'ready';
  if (seen.state === 'lost') return 'lost';
  if (isGivenUp(situation, policy)) return 'failed';
  if (seen.state === 'exited') return 'restarting';
  if (seen.state === 'starting' || situation.sinceEnsureMs !== undefined) return 'starting';
  return 'waiting';
}

/** Why the seat is not usable and what happens next, for people; empty when all is well. */
export function seatReason(situation: SeatSituation, policy: LifecyclePolicy): string {
  const { wanted, seen, lastFailure } = situation;
  if (wanted === 'running' && seen.state === 'running') return '';
  if (seen.state === 'lost') return seen.reason;
  if (isGivenUp(situation, policy)) return giveUpReason(situation, policy) ?? '';
  if (lastFailure) return `${lastFailure.message} It is tried again by itself.`;
  if (wanted === 'running' && seen.state === 'exited')
    return `${exitMessage(seen)} It is started again by itself.`;
  return '';
}

function isGivenUp(situation: SeatSituation, policy: LifecyclePolicy): boolean {
  if (situation.wanted !== 'running' || situation.seen.state === 'running') return false;
  // The last start that is allowed is still under way.
  if (situation.sinceEnsureMs !== undefined) return false;
  return giveUpReason(situation, policy) !== undefined;
}
