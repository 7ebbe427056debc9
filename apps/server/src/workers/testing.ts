import type { AgentInfo } from '@clarateach/contract/agent-api';
import { parseSeatName } from '@clarateach/contract/ids';
import type { RuntimeName } from '@clarateach/contract/runtime';
import { ProviderError } from '@clarateach/seats/provider';
import { type DoubleProvider, instantProvider } from '@clarateach/seats/providers/doubles';
import type { Worker, WorkerState } from './worker.ts';

/** A worker without a wire: its agent's verbs are those of seats in memory, and a test says whether it answers. */
export interface TestWorker extends Worker {
  readonly seats: DoubleProvider;
  /** As the heartbeat would find it; `lostAt` is the time of the call, for those that do not answer. */
  enter(state: WorkerState): void;
  runtime: RuntimeName;
  capacity: number;
}

export function testWorker(options: {
  readonly address: string;
  readonly now: () => number;
  readonly capacity?: number;
}): TestWorker {
  const seats = instantProvider();
  const problem = `The worker ${new URL(options.address).host} does not answer.`;
  let state: WorkerState = 'up';
  let lostAt: number | undefined;
  const worker: TestWorker = {
    address: options.address,
    agent: {
      ...seats,
      address: options.address,
      inspect: async () => worker.info as AgentInfo,
      setHolder: async () => {},
      revoke: async () => {},
      tellKeys: async () => [],
    },
    seats,
    runtime: 'local',
    capacity: options.capacity ?? 50,
    heardAt: undefined,
    clockAheadMs: 0,
    looked: Promise.resolve(),
    get state() {
      return state;
    },
    get problem() {
      return state === 'up' ? '' : problem;
    },
    get lostAt() {
      return lostAt;
    },
    get info(): AgentInfo {
      return {
        status: 'ok',
        vm_count: seats.files.size,
        capacity: worker.capacity,
        version: '0',
        api_version: 1,
        runtime: { ...seats.info, name: worker.runtime },
        addresses: { listen: '', public_url: null },
        revocations: '',
        started_at: 0,
        key_ids: [],
        vms: [...seats.files.keys()].flatMap((name) => {
          const id = parseSeatName(name);
          if (!id) return [];
          return {
            workshop_id: id.workshop,
            seat_id: id.seat,
            name,
            state: 'running' as const,
            holder: null,
            holder_revision: null,
            installation: null,
          };
        }),
      };
    },
    enter(next) {
      state = next;
      lostAt = next === 'down' ? options.now() : undefined;
    },
    async call(signal, work) {
      if (state !== 'up') throw new ProviderError('unreachable', problem);
      return work(signal);
    },
    async close() {},
  };
  return worker;
}
