import { z } from 'zod';
import { entryPolicy, entrySettings } from './entry.ts';
import { MAX_SEATS } from './form-limits.ts';
import { joinCode, odehash, seatNumber, workshopId } from './ids.ts';
import { runtimeName } from './runtime.ts';

/** Times in the API are ISO 8601 in UTC. */
const instant = z.iso.datetime();

/** What a person sees of a seat; derived from what is wanted and what is seen, never stored. */
export const seatPhase = z.enum([
  'off',
  'waiting',
  'starting',
  'ready',
  'occupied',
  'restarting',
  'resetting',
  'stopping',
  'failed',
  'lost',
]);
export type SeatPhase = z.infer<typeof seatPhase>;

export const seatView = z.object({
  seat: seatNumber,
  phase: seatPhase,
  /** Why the seat is not usable, and what happens next; empty when all is well. */
  reason: z.string(),
  /** For a `lost` seat: when it is brought up on another machine, without its files, unless its own answers before. */
  movesAt: instant.nullable().default(null),
  /** Starts tried since the seat was last usable. */
  attempts: z.number().int(),
  learner: z.object({ name: z.string(), odehash, joinedAt: instant }).nullable(),
});
export type SeatView = z.infer<typeof seatView>;

/**
 * `ready`: every seat is usable. `degraded`: some are, and others have failed. `failed`: none is
 * and none will be without help.
 */
export const workshopPhase = z.enum([
  'stopped',
  'starting',
  'ready',
  'degraded',
  'failed',
  'stopping',
  'deleting',
]);
export type WorkshopPhase = z.infer<typeof workshopPhase>;

export const workshopSummary = z.object({
  id: workshopId,
  name: z.string(),
  code: z.string(),
  joinUrl: z.string(),
  /** Who may take a seat. */
  entry: entryPolicy,
  /** The account that made it; co-instructors run it too, and only its owner may delete it. */
  ownerId: z.string(),
  runtime: runtimeName,
  phase: workshopPhase,
  seatCount: z.number().int(),
  /** Seats that can be used: free and occupied. */
  readySeats: z.number().int(),
  occupiedSeats: z.number().int(),
  createdAt: instant,
  startedAt: instant.nullable(),
  /** When the workshop stops by itself; null while it is stopped. */
  endsAt: instant.nullable(),
  ttlMinutes: z.number().int(),
});
export type WorkshopSummary = z.infer<typeof workshopSummary>;

export const workshopDetails = workshopSummary.extend({
  image: z.string().nullable(),
  /** Whether an API key is kept for this workshop; the key itself is never shown again. */
  hasApiKey: z.boolean(),
  /** Whether the key is put into every seat, where learners can read it. */
  injectApiKey: z.boolean(),
  seats: z.array(seatView),
});
export type WorkshopDetails = z.infer<typeof workshopDetails>;

export const DEFAULT_TTL_MINUTES = 240;
export const MAX_TTL_MINUTES = 7 * 24 * 60;

/** `[host[:port]/]path[:tag][@digest]`: never an address with a scheme, an option or a path that leads up. */
const IMAGE =
  /^([a-z0-9]([a-z0-9.-]*[a-z0-9])?(:\d{1,5})?\/)?[a-z0-9]+([._-]+[a-z0-9]+)*(\/[a-z0-9]+([._-]+[a-z0-9]+)*)*(:\w[\w.-]{0,127})?(@sha256:[a-f0-9]{64})?$/i;

const ttlMinutes = z
  .number()
  .int()
  .min(5, 'A workshop lasts at least 5 minutes.')
  .max(MAX_TTL_MINUTES, `A workshop lasts at most ${MAX_TTL_MINUTES} minutes (7 days).`);

export const createWorkshopBody = z.object({
  name: z.string().trim().min(1, 'Give the workshop a name.').max(100, 'A name has at most 100 characters.'),
  seats: z
    .number()
    .int()
    .min(1, 'A workshop has at least 1 seat.')
    .max(MAX_SEATS, `A workshop has at most ${MAX_SEATS} seats.`),
  /** The runtime of the seats; the server's best when left out. */
  runtime: runtimeName.optional(),
  /** A join code of your own; made up when left out. */
  code: joinCode.optional(),
  /** For the seats' `claude`. Stored encrypted, never shown again, and not put into seats unless `injectApiKey` says so. */
  apiKey: z
    .string()
    .trim()
    .min(8, 'This is too short for an API key. Paste all of it, or leave it empty.')
    .max(500, 'This is too long for an API key: at most 500 characters.')
    .optional(),
  /** Puts `apiKey` into every seat as CLAUDE_API_KEY: every learner can read and copy it. */
  injectApiKey: z.boolean().optional(),
  /** Who may take a seat; `open` when left out. */
  entry: entryPolicy.optional(),
  registrationCap: entrySettings.shape.registrationCap.optional(),
  questions: entrySettings.shape.questions.optional(),
  /** The seats' container image; the server's own when left out. */
  image: z
    .string()
    .max(255)
    .regex(IMAGE, 'An image is a reference such as clarateach-workspace:latest.')
    .optional(),
  /** Minutes from start until the workshop stops by itself. */
  ttlMinutes: ttlMinutes.optional(),
  /** Provision the seats at once. */
  start: z.boolean().optional(),
});
export type CreateWorkshopBody = z.infer<typeof createWorkshopBody>;

/** A learner who was removed from a workshop and may not come back until they are let in again. */
export const removal = z.object({
  id: z.string(),
  name: z.string(),
  /** The seat that they had. */
  seat: z.number().int(),
  removedAt: instant,
});
export type Removal = z.infer<typeof removal>;

export const extendBody = z.object({
  /** Minutes that the end is moved later. */
  minutes: z.number().int().min(1).max(MAX_TTL_MINUTES),
});

/**
 * Progress. Every event brings the whole new state of one thing, and its id is the workshop's
 * revision: a client that resumes with `Last-Event-ID` is sent what has changed since.
 */
export const workshopEvent = z.discriminatedUnion('type', [
  z.object({ type: z.literal('workshop'), workshop: workshopSummary }),
  z.object({ type: z.literal('seat'), seat: seatView }),
  z.object({ type: z.literal('deleted') }),
]);
export type WorkshopEvent = z.infer<typeof workshopEvent>;
