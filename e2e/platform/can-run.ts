import { probeDocker } from '@clarateach/seats/providers/docker/probe';
import { whyNoMicrovms } from '@clarateach/seats/providers/microvm/testing';
import type { SeatRuntime } from './up.ts';

const docker = await probeDocker();
const noMicrovms = await whyNoMicrovms();

/** Options for tests that need a runtime: they are skipped with the reason where it cannot run, which CI counts as a failure. */
export function canRunSeats(runtime: SeatRuntime): { skip?: string } {
  if (runtime === 'docker' && !docker.ok) return { skip: `NOT RUN: ${docker.note}` };
  if (runtime === 'firecracker' && noMicrovms !== undefined) return { skip: `NOT RUN: ${noMicrovms}` };
  return {};
}
