import type { GatewayStats } from '@clarateach/gateway/ports';
import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client';

/** Where the figures come from when they are asked for. */
export interface MetricSources {
  readonly seats: () => number;
  readonly capacity: number;
  readonly healthy: () => boolean;
  readonly gateway: { connections(): number; stats(): GatewayStats };
  /** Byte streams of the server's gateway. */
  readonly streams: () => number;
  readonly keysAgeMs: () => number | undefined;
}

export function createMetrics(sources: MetricSources): () => Promise<{ type: string; text: string }> {
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
  const { gateway } = sources;
  gauge('clarateach_agent_seats', 'Seats that this worker holds.', sources.seats);
  gauge('clarateach_agent_capacity', 'Seats that this worker takes.', () => sources.capacity);
  gauge('clarateach_agent_runtime_up', 'Whether the runtime answered when it was last asked: 1 or 0.', () =>
    sources.healthy() ? 1 : 0,
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
  return async () => ({ type: registry.contentType, text: await registry.metrics() });
}
