import type { SeatSession } from '@clarateach/contract/join';
import type { JoinRequest } from '../api/learner.ts';

/** A return code that nobody knew here: the learner has a seat, and not the one they asked for. */
export function isNewInstead(
  { returning }: Pick<SeatSession, 'returning'>,
  { odehash }: Pick<JoinRequest, 'odehash'>,
): boolean {
  return odehash !== undefined && !returning;
}
