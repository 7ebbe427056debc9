import { z } from 'zod';
import { joinCode, odehash, seatNumber, workshopId } from './ids.ts';

const learnerName = z
  .string()
  .trim()
  .min(1, 'Type your name, so that the instructor knows who you are.')
  .max(60, 'A name has at most 60 characters.');

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
  name: z.string(),
  /** Whether the learner had this seat before; false for a return code that nobody knew. */
  returning: z.boolean(),
  workshop: z.object({ id: workshopId, name: z.string() }),
});
export type SeatSession = z.infer<typeof seatSession>;

/** What a join page needs to know of a code. */
export const joinInfo = z.object({
  workshop: z.object({ id: workshopId, name: z.string() }),
  /** `open`: come in. `full`: only those who have a seat. `starting`: soon. `stopped`: not now. */
  state: z.enum(['open', 'full', 'starting', 'stopped']),
  seats: z.number().int(),
  freeSeats: z.number().int(),
});
export type JoinInfo = z.infer<typeof joinInfo>;
