import type { AdminOverview, WorkerView } from '@clarateach/contract/health';
import type { GatewayStats } from '@clarateach/gateway/ports';
import type { FastifyInstance } from 'fastify';
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { DiskUse } from '../disk-watch.ts';

/** Where the figures come from when they are asked for. */
export interface MetricSources {
  readonly overview: () => Promise<Pick<AdminOverview, 'workshops' | 'runningWorkshops' | 'seats'>>;
  readonly workers: () => readonly WorkerView[];
  readonly gateway: { connections(): number; stats(): GatewayStats };
  readonly disks: () => Promise<readonly DiskUse[]>;
  /** What the server's own runtimes keep ready for new seats; none of what workers keep. */
  readonly ready: () => { readonly ready: number; readonly wanted: number };
}

const DISK_GAUGES: readonly (readonly [name: string, help: string, bytes: (use: DiskUse) => number])[] = [
  ['clarateach_disk_bytes', 'Size of the disks of the data and the seats.', (use) => use.totalBytes],
  ['clarateach_disk_free_bytes', 'What is free of them.', (use) => use.freeBytes],
];

export interface Metrics {
  /** A step that the reconciler took for a seat, and `ok` or the kind of the failure. */
  reconcilerStep(step: string, outcome: string): void;
  /** Times every request and serves `/metrics`. */
  mount(app: FastifyInstance, sources: MetricSources): void;
}

export function createMetrics(): Metrics {
  const registry = new Registry();
  const registers = [registry];
  const steps = new Counter({
    name: 'clarateach_reconciler_steps_total',
    help: 'Steps taken to bring seats to what is wanted.',
    labelNames: ['step', 'outcome'],
    registers,
  });
  const durations = new Histogram({
    name: 'clarateach_http_request_duration_seconds',
    help: 'Time from request to the end of the answer.',
    labelNames: ['method', 'route', 'status'],
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10],
    registers,
  });

  return {
    reconcilerStep: (step, outcome) => steps.inc({ step, outcome }),

    mount(app, { overview, workers, gateway, disks, ready }) {
      collectDefaultMetrics({ register: registry });
      const databaseUp = new Gauge({
        name: 'clarateach_database_up',
        help: 'Whether the database answered when this was asked: 1 or 0.',
        registers,
      });
      const workshops = new Gauge({
        name: 'clarateach_workshops',
        help: 'Workshops, all of them and those that run.',
        labelNames: ['state'],
        registers,
      });
      new Gauge({
        name: 'clarateach_seats',
        help: 'Seats that are wanted, free and ready, occupied, failed, lost with their worker.',
        labelNames: ['state'],
        registers,
        async collect() {
          try {
            const seen = await overview();
            for (const [state, count] of Object.entries(seen.seats)) this.set({ state }, count);
            workshops.set({ state: 'all' }, seen.workshops);
            workshops.set({ state: 'running' }, seen.runningWorkshops);
            databaseUp.set(1);
          } catch {
            // Old figures would look like a class in good health.
            this.reset();
            workshops.reset();
            databaseUp.set(0);
          }
        },
      });
      for (const [name, help, bytes] of DISK_GAUGES) {
        new Gauge({
          name,
          help,
          labelNames: ['place'],
          registers,
          async collect() {
            for (const use of await disks()) this.set({ place: use.place }, bytes(use));
          },
        });
      }
      new Gauge({
        name: 'clarateach_ready_guests',
        help: 'Guests of this machine that wait for new seats, and how many are to wait now.',
        labelNames: ['state'],
        registers,
        collect() {
          for (const [state, count] of Object.entries(ready())) this.set({ state }, count);
        },
      });
      new Gauge({
        name: 'clarateach_gateway_connections',
        help: 'Open WebSockets to seats.',
        registers,
        collect() {
          this.set(gateway.connections());
        },
      });
      watchWorkers(registers, workers);
      counterOf(registry, 'clarateach_gateway_requests_total', 'HTTP requests relayed to seats.', () => [
        [{}, gateway.stats().requests],
      ]);
      counterOf(registry, 'clarateach_gateway_upgrades_total', 'WebSockets opened to seats.', () => [
        [{}, gateway.stats().upgrades],
      ]);
      counterOf(registry, 'clarateach_gateway_refusals_total', 'Requests that the gateway refused.', () =>
        Object.entries(gateway.stats().refusals).map(([code, count]) => [{ code }, count]),
      );

      app.addHook('onResponse', async (request, reply) => {
        durations.observe(
          {
            method: request.method,
            route: request.routeOptions.url ?? 'none',
            status: reply.statusCode,
          },
          reply.elapsedTime / 1000,
        );
      });
      app.get('/metrics', async (_request, reply) => {
        // In this order: the seats' look also fills the gauges that were made before it.
        await registry.getSingleMetric('clarateach_seats')?.get();
        return reply
          .type(registry.contentType)
          .header('cache-control', 'no-store')
          .send(await registry.metrics());
      });
    },
  };
}

/** What the heartbeat knows of each worker, by its address; nothing where the server itself runs the seats. */
function watchWorkers(registers: Registry[], workers: MetricSources['workers']): void {
  const figures: readonly [name: string, help: string, read: (worker: WorkerView) => number][] = [
    ['up', 'Whether the worker answers: 1 or 0.', ({ state }) => (state === 'up' ? 1 : 0)],
    ['draining', 'Whether it takes no new seats: 1 or 0.', ({ draining }) => (draining ? 1 : 0)],
    ['capacity', 'Seats that it takes.', ({ capacity }) => capacity],
    ['seats', 'Seats that it had when it last answered, with those of others.', ({ seatCount }) => seatCount],
    [
      'seats_lost',
      'Seats of this installation that are out of sight with it.',
      ({ state, seats }) => (state === 'up' ? 0 : seats.length),
    ],
  ];
  for (const [name, help, read] of figures) {
    new Gauge({
      name: `clarateach_worker_${name}`,
      help,
      labelNames: ['worker'],
      registers,
      collect() {
        // A worker that is named no more has no figures.
        this.reset();
        for (const worker of workers()) this.set({ worker: worker.address }, read(worker));
      },
    });
  }
}

/** A counter that somebody else counts. */
function counterOf(
  registry: Registry,
  name: string,
  help: string,
  read: () => readonly (readonly [Record<string, string>, number])[],
): void {
  new Counter({
    name,
    help,
    labelNames: ['code'],
    registers: [registry],
    collect() {
      this.reset();
      for (const [labels, count] of read()) this.inc(labels, count);
    },
  });
}
