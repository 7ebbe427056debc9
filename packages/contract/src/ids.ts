import { z } from 'zod';
import { normalizeCode } from './codes.ts';

/** `ws-` and 8 lower-case letters and digits: a valid DNS label. */
export const workshopId = z
  .string()
  .regex(/^ws-[a-z0-9]{8}$/, 'A workshop id is ws- and 8 lower-case letters or digits.')
  .brand<'WorkshopId'>();
export type WorkshopId = z.infer<typeof workshopId>;

/** A place in a workshop, counted from 1. */
export const seatNumber = z.coerce.number().int().min(1).max(500);

/** One isolated workspace: a place in a workshop. */
export interface SeatId {
  readonly workshop: WorkshopId;
  readonly seat: number;
}

const SEAT_NAME = /^clarateach-(ws-[a-z0-9]{8})-seat-(\d{2,3})$/;

/** `clarateach-<workshop>-seat-<NN>`: the name of everything that a runtime makes for the seat. */
export function seatName(id: SeatId): string {
  return `clarateach-${id.workshop}-seat-${String(id.seat).padStart(2, '0')}`;
}

/** The inverse of {@link seatName}; undefined for a name that is not ours. */
export function parseSeatName(name: string): SeatId | undefined {
  const match = SEAT_NAME.exec(name);
  if (!match) return undefined;
  return { workshop: match[1] as WorkshopId, seat: Number(match[2]) };
}

/** 4 to 32 letters and digits after {@link normalizeCode}. */
export const joinCode = z
  .string()
  .max(64)
  .transform(normalizeCode)
  .pipe(
    z
      .string()
      .regex(/^[A-Z0-9]{4,32}$/, 'A join code is 4 to 32 letters and digits; spaces and dashes are ignored.'),
  );

/** A learner's own code, which leads back to their seat. */
export const odehash = z
  .string()
  .max(64)
  .transform(normalizeCode)
  .pipe(z.string().regex(/^[A-Z2-7]{5,32}$/, 'A return code is at least 5 letters and digits 2 to 7.'))
  .brand<'Odehash'>();
export type Odehash = z.infer<typeof odehash>;
