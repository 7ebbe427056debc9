import assert from 'node:assert/strict';
import type { RuntimeName } from '@clarateach/contract/runtime';
import { createRevocationList } from '@clarateach/gateway/revocation-list';
import type { SeatProvider } from '@clarateach/seats/provider';
import { instantProvider } from '@clarateach/seats/providers/doubles';
import { createColleagues } from '../entry/colleagues.ts';
import { createHandOver } from '../entry/hand-over.ts';
import type { MailMessage } from '../entry/letters.ts';
import { createRegistrations } from '../entry/registrations.ts';
import { createJoin } from '../join/join.ts';
import { createReconciler, type Reconciler } from '../reconciler/reconciler.ts';
import { seatSpec } from '../reconciler/spec.ts';
import { createSeatRoutes } from '../seat-routes.ts';
import type { Database } from '../store/database.ts';
import type { TestDatabase } from '../store/testing.ts';
import { createChanges } from '../workshops/changes.ts';
import { createViews } from '../workshops/view.ts';
import { createWorkshops } from '../workshops/workshops.ts';

/** One server's rules and loops over a database and a provider, without HTTP, people or keys. */
export async function controlPlane(options: {
  readonly database: Database;
  readonly provider: SeatProvider;
  readonly now?: () => number;
  readonly server?: string;
}) {
  const { database, provider, now = Date.now } = options;
  const errors: unknown[] = [];
  const mails: MailMessage[] = [];
  const onError = (error: unknown) => errors.push(error);
  const changes = createChanges(database, onError);
  const views = createViews('http://localhost:8080');
  const runtimes = new Map<RuntimeName, SeatProvider>([[provider.info.name, provider]]);
  const revocations = createRevocationList({ clock: now });
  const routes = createSeatRoutes({ database, changes, onError });
  const newReconciler = (): Reconciler =>
    createReconciler({
      database,
      changes,
      providers: runtimes,
      providerOf: (runtime) => runtimes.get(runtime),
      server: options.server ?? 'server-1',
      now,
      spec: (work) => seatSpec(work, { open: (sealed) => sealed }),
      onStep: () => {},
      onError,
      onSuperviseError: onError,
    });
  let reconciler = newReconciler();
  return {
    /** What went wrong beside the seats; empty after a test without faults. */
    errors,
    changes,
    revocations,
    routes,
    workshops: createWorkshops({
      database,
      changes,
      views,
      now,
      seal: (key) => key,
      runtimes: () => [...runtimes.keys()],
      onRevoked: (revocation) => revocations.add([revocation]),
    }),
    join: createJoin({ database, changes, now }),
    registrations: createRegistrations({
      database,
      changes,
      publicUrl: 'http://localhost:8080',
      now,
      sendMail: async (message) => void mails.push(message),
      onError,
    }),
    handOver: createHandOver({ database, changes, publicUrl: 'http://localhost:8080', now }),
    colleagues: createColleagues({ database, now }),
    /** What was sent, in its order. */
    mails,
    start: () => reconciler.start(),
    /** Ends the loops where they are and begins with new ones, as a server that restarts. */
    async restart() {
      await reconciler.close();
      reconciler = newReconciler();
      reconciler.start();
    },
    async close() {
      await reconciler.close();
      await routes.close();
      await changes.close();
    },
  };
}

export type ControlPlane = Awaited<ReturnType<typeof controlPlane>>;

/** One server over seats that are ready at once, with an owner of workshops, on a database of its own. */
export async function openStage(open: () => Promise<TestDatabase>) {
  const opened = await open();
  const owner = await insertOwner(opened.database, 'owner');
  const plane = await controlPlane({ database: opened.database, provider: instantProvider() });
  plane.start();
  return {
    opened,
    plane,
    owner,
    /** One of the owner's, with so many seats that are ready. */
    async readyWorkshop(seats: number) {
      const { id, code } = await plane.workshops.create(owner, { name: 'Shells', seats, start: true });
      const { phase } = await plane.workshops.settled(owner, id, AbortSignal.timeout(20_000));
      assert.equal(phase, 'ready');
      return { id, code };
    },
    /** Fails where something went wrong beside the tests. */
    async close() {
      await plane.close();
      await opened.close();
      assert.deepEqual(plane.errors, []);
    },
  };
}

export type Stage = Awaited<ReturnType<typeof openStage>>;

/** Gives an account that owns workshops. */
export async function insertOwner(database: Database, id: string): Promise<string> {
  const now = new Date().toISOString();
  await database.db
    .insertInto('users')
    .values({
      id,
      name: id,
      email: `${id}@example.org`,
      emailVerified: true as never,
      role: 'instructor',
      createdAt: now as never,
      updatedAt: now as never,
    } as never)
    .execute();
  return id;
}

/** Waits until `look` gives something other than undefined and false; fails after five seconds. */
export async function eventually<T>(look: () => T | Promise<T>, deadlineMs = 5_000): Promise<NonNullable<T>> {
  const deadline = Date.now() + deadlineMs;
  for (;;) {
    const value = await look();
    if (value !== undefined && value !== null && value !== false) return value;
    if (Date.now() > deadline) throw new Error('It did not happen in time.');
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
