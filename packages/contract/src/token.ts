import { z } from 'zod';
import { odehash, seatNumber, workshopId } from './ids.ts';

export const TOKEN_ISSUER = 'clarateach';
export const TOKEN_AUDIENCE = 'clarateach-seat';
/** Seconds that a seat token is good for. */
export const TOKEN_LIFETIME_SECONDS = 2 * 60 * 60;
/** Seconds after its expiry within which an old token may still be exchanged for a new one. */
export const TOKEN_RENEWAL_SECONDS = 24 * 60 * 60;

/** Claims of a seat token: RS256, with `kid`, verified against `/.well-known/jwks.json`. */
export const seatClaims = z.object({
  iss: z.literal(TOKEN_ISSUER),
  aud: z.literal(TOKEN_AUDIENCE),
  jti: z.string().min(1),
  /** Seconds since the epoch. */
  iat: z.number().int(),
  exp: z.number().int(),
  workshopId,
  seat: seatNumber,
  odehash,
  /** The name of the seat's container or VM. */
  containerId: z.string(),
  /** Address of the machine that has the seat; empty where server and seats share one. */
  vmIp: z.string(),
});
export type SeatClaims = z.infer<typeof seatClaims>;
