import { z } from 'zod';
import { entryPolicy, registrationState } from './entry.ts';
import { joinCode, odehash, seatNumber, workshopId } from './ids.ts';
import { learnerName } from './learner-name.ts';

export const joinBody = z.object({ code: joinCode, name: learnerName, odehash: odehash.optional() });
export type JoinBody = z.infer<typeof joinBody>;

export const seatSession = z.object({
  /** Opens this seat, and no other, until `expiresAt`. */
  token: z.string(),
  /** The base under which the seat is reached: `<endpoint>/vm/<seat>/terminal`. */
  endpoint: z.string(),
  seat: seatNumber,
  /** Leads back to this seat from any browser. */
  odehash,
  expiresAt: z.iso.datetime(),
  /** The server's clock as this was made: what a clock that goes wrong measures the other times by. */
  issuedAt: z.iso.datetime().optional(),
  /** When the workshop stops by itself and its files are gone; absent where no end is set. */
  endsAt: z.iso.datetime().optional(),
  name: z.string(),
  /** Whether the learner had this seat before; false for a return code that nobody knew. */
  returning: z.boolean(),
  workshop: z.object({ id: workshopId, name: z.string() }),
});
export type SeatSession = z.infer<typeof seatSession>;

/** A seat that was handed over, with the join code that its new browser keeps beside it. */
export const handedSession = seatSession.extend({ code: z.string() });
export type HandedSession = z.infer<typeof handedSession>;

/** What a join page needs to know of a code. */
export const joinInfo = z.object({
  workshop: z.object({ id: workshopId, name: z.string() }),
  /** `open`: come in. `full`: only those who have a seat. `starting`: soon. `stopped`: not now. */
  state: z.enum(['open', 'full', 'starting', 'stopped']),
  seats: z.number().int(),
  freeSeats: z.number().int(),
  entry: entryPolicy,
  /** Whose access code it is; null for a join code. */
  registration: z
    .object({
      name: z.string(),
      state: registrationState,
      /** Place on the waiting list, counted from 1. */
      place: z.number().int().nullable(),
      /** False where only those on the instructor's list may come, and this learner is not on it. */
      admitted: z.boolean(),
    })
    .nullable(),
});
export type JoinInfo = z.infer<typeof joinInfo>;
