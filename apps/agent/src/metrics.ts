import type { Vm } from '@clarateach/contract/agent-api';
import type { GatewayStats } from '@clarateach/gateway/ports';
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

/** Where the figures come from when they are asked for. */
export interface MetricSources {
  readonly seats: () => Readonly<Record<Vm['state'], number>>;
  /** What the runtime keeps ready for new seats; undefined where it keeps nothing. */
  readonly ready: () => { readonly ready: number; readonly wanted: number } | undefined;
  readonly draining: () => boolean;
  readonly capacity: number;
  readonly healthy: () => boolean;
  readonly gateway: { connections(): number; stats(): GatewayStats };
  /** Byte streams of the server's gateway. */
  readonly streams: () => number;
  readonly keysAgeMs: () => number | undefined;
}

export interface Metrics {
  ensured(durationMs: number, outcome: 'ok' | 'failed'): void;
  /** Begins to read the sources; what is asked for before says nothing of them. */
  watch(sources: MetricSources): void;
  read(): Promise<{ readonly type: string; readonly text: string }>;
}

export function createMetrics(): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const gauge = (name: string, help: string, read: () => number): void => {
    new Gauge({
      name,
      help,
      registers: [registry],
      collect() {
        this.set(read());
      },
    });
  };
  const ensures = new Histogram({
    name: 'clarateach_agent_ensure_duration_seconds',
    help: 'How long the runtime took to be asked for a seat.',
    labelNames: ['outcome'],
    buckets: [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
    registers: [registry],
  });
  const watch = (sources: MetricSources): void => {
    const { gateway } = sources;
    gauge('clarateach_agent_seats', 'Seats that this worker holds, with those that are stopped.', () =>
      Object.values(sources.seats()).reduce((sum, count) => sum + count),
    );
    new Gauge({
      name: 'clarateach_agent_seats_by_state',
      help: 'Seats by what was last seen of them; absent ones are stopped, with their files kept.',
      labelNames: ['state'],
      registers: [registry],
      collect() {
        for (const [state, count] of Object.entries(sources.seats())) this.set({ state }, count);
      },
    });
    gauge(
      'clarateach_agent_ready_guests',
      'Guests that wait for new seats.',
      () => sources.ready()?.ready ?? 0,
    );
    gauge(
      'clarateach_agent_ready_guests_wanted',
      'Guests that are to wait for new seats now: 0 while none are asked for.',
      () => sources.ready()?.wanted ?? 0,
    );
    gauge('clarateach_agent_draining', 'Whether it takes no new seats: 1 or 0.', () =>
      sources.draining() ? 1 : 0,
    );
    gauge('clarateach_agent_capacity', 'Seats that this worker takes.', () => sources.capacity);
    gauge(
      'clarateach_agent_runtime_up',
      'Whether the runtime answered when it was last asked: 1 or 0.',
      () => (sources.healthy() ? 1 : 0),
    );
    gauge('clarateach_agent_streams', 'Connections of the server’s gateway to seats.', sources.streams);
    gauge(
      'clarateach_agent_keys_age_seconds',
      'Time since the server confirmed its keys; -1 before the first.',
      () => {
        const ageMs = sources.keysAgeMs();
        return ageMs === undefined ? -1 : ageMs / 1000;
      },
    );
    gauge('clarateach_gateway_connections', 'Open WebSockets to seats.', () => gateway.connections());
    new Counter({
      name: 'clarateach_gateway_requests_total',
      help: 'HTTP requests relayed to seats, WebSockets opened, and requests refused by code.',
      labelNames: ['outcome'],
      registers: [registry],
      collect() {
        this.reset();
        const { requests, upgrades, refusals } = gateway.stats();
        this.inc({ outcome: 'relayed' }, requests);
        this.inc({ outcome: 'upgraded' }, upgrades);
        for (const [code, count] of Object.entries(refusals)) this.inc({ outcome: code }, count);
      },
    });
  };
  return {
    ensured: (durationMs, outcome) => ensures.observe({ outcome }, durationMs / 1000),
    watch,
    read: async () => ({ type: registry.contentType, text: await registry.metrics() }),
  };
}
