/** BENCH 1: simultaneous joins over HTTP, beside raw claims of rows on the same PostgreSQL. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { SeatSession } from '@clarateach/contract/join';
import { startPostgres } from '@clarateach/server/store/testing';
import { freePort } from '@clarateach/server/testing/free-port';
import pg from 'pg';
import { compare, options, percentile, save } from './harness.ts';
import { keepConnections } from './kept-connections.ts';
import { connectInstructor } from './platform.ts';

const BURSTS = options.short ? [50] : [50, 500];
/** What the raw side uses to spread its claims, and the server's own pool has too. */
const CONNECTIONS = 20;
/** Learners come to seats that were ready before them. */
const READY_BEFORE_MS = 1_500;
const RAW_CLAIM = `update raw_seats set learner = $1 where id = (
  select id from raw_seats where learner is null order by id for update skip locked limit 1) returning id`;

const directory = await mkdtemp(join(tmpdir(), 'clarateach-bench-'));
const postgres = await startPostgres();
const databaseUrl = await postgres.create();
const pool = new pg.Pool({ connectionString: databaseUrl, max: CONNECTIONS });
// Connections that end with the database are not an error of the run.
pool.on('error', () => undefined);
const server = spawn(process.execPath, [fileURLToPath(new URL('./join-burst-server.ts', import.meta.url))], {
  env: {
    ...process.env,
    DATABASE_URL: databaseUrl,
    DATA_DIR: join(directory, 'server'),
    PORT: String(await freePort()),
    LOG_LEVEL: 'warn',
  },
  stdio: ['ignore', 'pipe', 'inherit'],
});
try {
  const { url, signIn } = await announced(server);
  const instructor = await connectInstructor(url, signIn);
  const results = [];
  for (const burst of BURSTS) {
    results.push(
      await compare({
        name: `${burst} simultaneous joins, p99`,
        unit: 'ms',
        product: {
          name: 'POST /api/join',
          async measure() {
            const { id, code } = await instructor.workshop(burst);
            await delay(READY_BEFORE_MS);
            // Open beforehand on both sides: browsers have loaded the page, and the raw side has its pool.
            const browsers = await keepConnections(url, burst);
            const { latencies, answers } = await atOnce(burst, (index) =>
              browsers.post<SeatSession>(index, '/api/join', { code, name: `Learner ${index}` }),
            );
            browsers.close();
            distinct(answers.map((answer) => answer.seat));
            await instructor.remove(id);
            return percentile(latencies, 0.99);
          },
        },
        peer: {
          name: 'raw SKIP LOCKED claim',
          async measure() {
            await pool.query('drop table if exists raw_seats');
            await pool.query('create table raw_seats (id int primary key, learner text)');
            await pool.query('insert into raw_seats select generate_series(1, $1)', [burst]);
            await Promise.all(Array.from({ length: CONNECTIONS }, () => pool.query('select pg_sleep(0.01)')));
            const { latencies, answers } = await atOnce(burst, async (index) => {
              const { rows } = await pool.query<{ id: number }>(RAW_CLAIM, [`Learner ${index}`]);
              return rows[0]?.id;
            });
            distinct(answers);
            return percentile(latencies, 0.99);
          },
        },
        target: burst >= 500 ? '≤ 0.25' : '≤ 1.0',
      }),
    );
  }
  await save('join-burst', results);
} finally {
  server.kill('SIGTERM');
  if (server.exitCode === null) await once(server, 'exit');
  await pool.end();
  await postgres.stop();
  await rm(directory, { recursive: true, force: true });
}

async function atOnce<T>(count: number, one: (index: number) => Promise<T>) {
  const latencies: number[] = [];
  const answers = await Promise.all(
    Array.from({ length: count }, async (_, index) => {
      const began = performance.now();
      const answer = await one(index);
      latencies.push(performance.now() - began);
      return answer;
    }),
  );
  return { latencies, answers };
}

function distinct(seats: readonly (number | undefined)[]): void {
  if (seats.includes(undefined) || new Set(seats).size !== seats.length) {
    throw new Error('A seat was given twice, or somebody got none.');
  }
}

async function announced(child: ChildProcess): Promise<{ url: string; signIn: string }> {
  if (!child.stdout) throw new Error('The server has no output.');
  for await (const line of createInterface({ input: child.stdout })) {
    child.stdout.resume();
    return JSON.parse(line) as { url: string; signIn: string };
  }
  throw new Error('The server ended before it was ready.');
}
