import type { RuntimeName } from './runtime.ts';

const LIMITS = { memoryMiB: 1024, cpus: 2, processes: 512, openFiles: 4_096 };

/**
 * What a seat of each runtime may use. A microVM has its memory whole, with a kernel in it, so that a machine
 * holds fewer of them; the others take what they use.
 */
export const SEAT_LIMITS = {
  local: LIMITS,
  docker: LIMITS,
  firecracker: { ...LIMITS, memoryMiB: 512 },
} as const satisfies Record<RuntimeName, typeof LIMITS>;
