import { z } from 'zod';
import { runtimeInfo, runtimeName } from './runtime.ts';

export const health = z.object({
  status: z.enum(['ok', 'degraded']),
  version: z.string(),
  database: z.object({ kind: z.enum(['sqlite', 'postgresql']), ok: z.boolean() }),
  runtimes: z.array(runtimeInfo.extend({ ok: z.boolean() })),
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
  }),
  connections: z.number().int(),
  health,
});
export type AdminOverview = z.infer<typeof adminOverview>;
