import { z } from 'zod';
import { vmState } from './agent-api.ts';
import { seatNumber, workshopId } from './ids.ts';
import { runtimeInfo, runtimeName } from './runtime.ts';

export const health = z.object({
  status: z.enum(['ok', 'degraded']),
  version: z.string(),
  database: z.object({ kind: z.enum(['sqlite', 'postgresql']), ok: z.boolean() }),
  runtimes: z.array(runtimeInfo.extend({ ok: z.boolean() })),
  /** Machines that run the seats; null where the server itself does. */
  workers: z.object({ total: z.number().int(), up: z.number().int() }).nullable(),
  /** The runtime of a workshop that names none. */
  defaultRuntime: runtimeName,
});
export type Health = z.infer<typeof health>;

export const adminOverview = z.object({
  workshops: z.number().int(),
  runningWorkshops: z.number().int(),
  seats: z.object({
    wanted: z.number().int(),
    ready: z.number().int(),
    occupied: z.number().int(),
    failed: z.number().int(),
    /** On workers that do not answer. */
    lost: z.number().int(),
  }),
  connections: z.number().int(),
  health,
});
export type AdminOverview = z.infer<typeof adminOverview>;

export const workerView = z.object({
  /** The agent's origin. */
  address: z.string(),
  /** `unknown`: not heard of since the server's start. `refused`: it takes another token, speaks another version, or is named twice. */
  state: z.enum(['unknown', 'up', 'down', 'refused']),
  /** Why it cannot be used, or, of one that is up, why learners do not go straight to it; else empty. */
  problem: z.string(),
  /** Where browsers reach it; null: only through the server. */
  publicUrl: z.string().nullable(),
  runtime: runtimeName.nullable(),
  version: z.string().nullable(),
  draining: z.boolean(),
  /** Seats that it takes. */
  capacity: z.number().int(),
  /** Seats that it had when it last answered, with those of other installations. */
  seatCount: z.number().int(),
  /** When it last answered. */
  heardAt: z.iso.datetime().nullable(),
  /** When seats that are lost with it are brought up elsewhere, without their files; null while it is not lost. */
  movesAt: z.iso.datetime().nullable(),
  /** What it had of this installation when it last answered. */
  seats: z.array(z.object({ workshopId, seat: seatNumber, state: z.enum([...vmState.options, 'unknown']) })),
});
export type WorkerView = z.infer<typeof workerView>;

/** Empty where the server itself runs the seats. */
export const adminVms = z.object({ workers: z.array(workerView) });
export type AdminVms = z.infer<typeof adminVms>;
