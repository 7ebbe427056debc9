import type { SeatSession } from '@clarateach/contract/join';
import { ApiError, responseError } from '../../api/api-error.ts';
import { joinInfo } from '../../api/learner.ts';
import { seatBase, throughServer } from '../seat-address.ts';
import type { SeatLoss, SeatPass } from '../seat-pass.ts';
import { SeatLostError } from '../seat-pass.ts';
import type { Diagnosis } from './terminal-connection.ts';

const PROBE_TIMEOUT_MS = 8_000;

/** How the seat answers a plain request: a browser does not tell why it was refused a WebSocket. */
async function probe(session: SeatSession): Promise<ApiError | undefined> {
  const response = await fetch(`${seatBase(session, window.location.href)}/files?path=`, {
    headers: { Authorization: `Bearer ${session.token}` },
    signal: AbortSignal.timeout(PROBE_TIMEOUT_MS),
    cache: 'no-store',
  });
  if (response.ok) {
    await response.body?.cancel();
    return undefined;
  }
  return responseError(response);
}

/** Whether anything answers for the seat; a refusal is an answer. */
export async function isReachable(pass: SeatPass): Promise<boolean> {
  try {
    await probe(pass.session);
    return true;
  } catch {
    return false;
  }
}

/**
 * A machine with seats that does not answer may have lost them to another: the server knows where the seat is now.
 * Where it names the same place, this browser's network may be what is in the way, and the server leads around it.
 */
async function askServer(pass: SeatPass, error: unknown): Promise<'elsewhere'> {
  if (error instanceof ApiError) throw error;
  const before = seatBase(pass.session, window.location.href);
  if (new URL(before).origin === window.location.origin) {
    // Without the server, the seat itself may be within reach again.
    pass.goStraight();
    throw error;
  }
  const session = await pass.renew();
  if (seatBase(session, window.location.href) !== before) return 'elsewhere';
  const answer = await probe(throughServer(session)).catch((silence: unknown) => silence);
  if (answer === undefined) pass.goThroughServer();
  return 'elsewhere';
}

/** Finds out why the terminal's connection failed, and renews the token where that helps. */
export async function diagnose(
  pass: SeatPass,
  reason: 'failed' | 'expired' | 'removed',
  onLost: (loss: SeatLoss) => void,
): Promise<Diagnosis> {
  try {
    if (reason === 'failed') {
      const answer = await probe(pass.session).catch((error: unknown) => askServer(pass, error));
      if (answer === 'elsewhere') return 'retry';
      if (answer === undefined) return 'seat-answers';
      if (answer.status === 503) {
        const { state } = await joinInfo(pass.code);
        if (state !== 'stopped') return 'seat-not-running';
        throw new SeatLostError('ended', answer);
      }
      if (answer.status !== 401 && answer.status !== 403 && answer.status !== 404) return 'retry';
    }
    await pass.renew();
    return 'retry';
  } catch (error) {
    if (error instanceof SeatLostError) {
      onLost(error.loss);
      return 'gone';
    }
    if (error instanceof ApiError && error.code === 'unknown_code') {
      onLost('ended');
      return 'gone';
    }
    // Not reached: that is no answer about the seat.
    return 'retry';
  }
}
