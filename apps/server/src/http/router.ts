import { PublicError } from '@clarateach/contract/errors';
import type { AdminOverview, Health, WorkerView } from '@clarateach/contract/health';
import type { SeatId } from '@clarateach/contract/ids';
import type { SeatSession } from '@clarateach/contract/join';
import type { WorkshopDetails } from '@clarateach/contract/workshop';
import { withEventMeta } from '@orpc/server';
import type { Audit } from '../audit/audit.ts';
import { auditPage } from '../audit/audit-pages.ts';
import type { Claim, Join } from '../join/join.ts';
import type { People } from '../people/people.ts';
import type { PersonalData } from '../personal-data/personal-data.ts';
import type { Database } from '../store/database.ts';
import type { SeatTokens } from '../tokens/seat-tokens.ts';
import type { Workshops } from '../workshops/workshops.ts';
import { createAuditTrail } from './audit-trail.ts';
import { identifyCaller, learnerOf, personOf, type RequestContext } from './callers.ts';
import { createCodeGuesses } from './code-guesses.ts';
import { type EntryRoutesDeps, entryRoutes } from './entry-routes.ts';
import { implementer } from './implementer.ts';
import type { Origins } from './origins.ts';
import { peopleHandlers } from './people-handlers.ts';

export interface RouterDeps extends EntryRoutesDeps {
  readonly workshops: Workshops;
  readonly join: Join;
  readonly people: People;
  readonly seatTokens: SeatTokens;
  readonly origins: Origins;
  readonly health: () => Promise<Health>;
  /** Open WebSockets of the gateway. */
  readonly connections: () => number;
  /** The base of a seat's paths, for somebody who reaches this server at `reachedAt`. */
  readonly seatBase: (id: SeatId, reachedAt: string) => string;
  readonly workers: () => readonly WorkerView[];
  readonly audit: Audit;
  readonly database: Database;
  readonly personalData: PersonalData;
  readonly now: () => number;
}

/** The contract, implemented. Rules live in what it calls; here is only what belongs to HTTP. */
export function createRouter(deps: RouterDeps) {
  const { workshops, join, people, seatTokens, origins, personalData } = deps;
  const guesses = createCodeGuesses(deps);
  const os = implementer(identifyCaller(deps), createAuditTrail(deps));

  const session = async (claim: Claim, context: RequestContext): Promise<SeatSession> => ({
    ...(await seatTokens.issue(claim)),
    endpoint: deps.seatBase(
      { workshop: claim.workshop.id, seat: claim.seat },
      origins.reachedAt(context.headers),
    ),
    seat: claim.seat,
    odehash: claim.odehash,
    name: claim.name,
    returning: claim.returning,
    workshop: claim.workshop,
    issuedAt: new Date(deps.now()).toISOString(),
    ...(claim.endsAt === null ? {} : { endsAt: new Date(claim.endsAt).toISOString() }),
  });

  const settled = async (
    owner: string,
    workshop: WorkshopDetails,
    { closing }: RequestContext,
    signal: AbortSignal | undefined,
  ): Promise<WorkshopDetails> => {
    try {
      return await workshops.settled(owner, workshop.id, anySignal(signal, closing));
    } catch (error) {
      if (!closing.aborted) throw error;
      throw new PublicError(
        'unavailable',
        'The server restarts. The workshop goes on starting; look at it again in a few seconds.',
        { retryAfterSeconds: 5, cause: error },
      );
    }
  };

  return os.router({
    ...entryRoutes(os, { ...deps, guesses, session }),

    health: os.health.handler(async ({ context }) => {
      const health = await deps.health();
      if (!health.database.ok) context.answer.status = 503;
      return health;
    }),

    join: {
      join: os.join.join.handler(async ({ input, context }) =>
        session(
          await guesses.guard(
            {
              address: context.address,
              code: input.code,
              newcomer: input.odehash === undefined,
              proves: () => join.proves(input),
              // Where only those with a seat come in, a return code that is refused was wrong.
              isGuess: ({ code }) =>
                code === 'unknown_code' || (input.odehash !== undefined && ONLY_RETURNING.has(code)),
            },
            () => join.join(input),
          ),
          context,
        ),
      ),
      info: os.join.info.handler(({ input, context }) =>
        guesses.guard(
          {
            address: context.address,
            code: input.code,
            proves: () => join.proves({ code: input.code, odehash: undefined }),
          },
          () => join.info(input.code),
        ),
      ),
      renew: os.join.renew.handler(async ({ context }) => {
        const { claims, verifyAgain } = learnerOf(context);
        const renewed = await session(await join.claimOf(claims.workshopId, claims.odehash), context);
        // A key that ended meanwhile must not live on in a token of the next.
        verifyAgain();
        return renewed;
      }),
    },

    workshops: {
      list: os.workshops.list.handler(async ({ input, context }) => {
        const { userId, role } = personOf(context);
        if (input?.scope === 'all' && role !== 'admin') {
          throw new PublicError('forbidden', 'Only an admin sees the workshops of others.');
        }
        return { workshops: await workshops.list(userId, input?.scope) };
      }),
      create: os.workshops.create.handler(async ({ input: { query, body }, context, signal }) => {
        const owner = personOf(context).userId;
        const wait = query.wait === 'ready';
        // Who waits for seats wants them started, unless they say otherwise.
        const start = body.start ?? wait;
        const made = await workshops.create(owner, { ...body, start });
        if (!start) return { status: 201, body: made };
        if (!wait) return { status: 202, body: made };
        return { status: 201, body: await settled(owner, made, context, signal) };
      }),
      show: os.workshops.show.handler(async ({ input, context }) => {
        const workshop = await workshops.show(personOf(context).userId, input.id);
        // Where its instructor is, there is the class.
        guesses.know(context.address, workshop.code);
        return workshop;
      }),
      start: os.workshops.start.handler(async ({ input: { params, query }, context, signal }) => {
        const owner = personOf(context).userId;
        const started = await workshops.start(owner, params.id);
        if (query.wait !== 'ready') return { status: 202, body: started };
        return { status: 200, body: await settled(owner, started, context, signal) };
      }),
      stop: os.workshops.stop.handler(({ input, context }) =>
        workshops.stop(personOf(context).userId, input.id),
      ),
      extend: os.workshops.extend.handler(({ input, context }) =>
        workshops.extend(personOf(context).userId, input.id, input.minutes),
      ),
      delete: os.workshops.delete.handler(async ({ input, context }) => {
        await workshops.delete(personOf(context).userId, input.id);
        return { id: input.id };
      }),
      events: os.workshops.events.handler(async ({ input, context, signal, lastEventId }) => {
        const owner = personOf(context).userId;
        // Asked before the stream begins, while the answer can still be an error.
        await workshops.show(owner, input.id);
        const ends = anySignal(signal, context.closing);
        return numbered(workshops.events(owner, input.id, revisionOf(lastEventId), ends));
      }),
      restartSeat: os.workshops.restartSeat.handler(({ input, context }) =>
        workshops.restartSeat(personOf(context).userId, input.id, input.seat),
      ),
      resetSeat: os.workshops.resetSeat.handler(({ input, context }) =>
        workshops.resetSeat(personOf(context).userId, input.id, input.seat),
      ),
      removeLearner: os.workshops.removeLearner.handler(({ input, context }) =>
        workshops.removeLearner(personOf(context).userId, input.id, input.seat),
      ),
      removals: os.workshops.removals.handler(async ({ input, context }) => ({
        removals: await workshops.removals(personOf(context).userId, input.id),
      })),
      letBack: os.workshops.letBack.handler(async ({ input: { id, removal }, context }) => {
        await workshops.letBack(personOf(context).userId, id, removal);
        return { removal };
      }),
    },

    account: {
      me: os.account.me.handler(({ context }) => people.account(personOf(context))),
      update: os.account.update.handler(({ input, context }) =>
        people.updateAccount(personOf(context), input),
      ),
      confirmAddress: os.account.confirmAddress.handler(async ({ context }) => {
        const { id, email } = await people.account(personOf(context));
        people.entry.mailConfirmation({ id, email });
        return { sent: true };
      }),
    },

    ...peopleHandlers(os, deps),

    tokens: {
      list: os.tokens.list.handler(async ({ context }) => ({
        tokens: await people.tokens.list(personOf(context).userId),
      })),
      create: os.tokens.create.handler(({ input, context }) => {
        const { userId, via } = personOf(context);
        return people.tokens.create(userId, input, via.kind === 'api-token' ? via : undefined);
      }),
      revoke: os.tokens.revoke.handler(async ({ input, context }) => {
        await people.tokens.revoke(personOf(context).userId, input.id);
        return input;
      }),
    },

    admin: {
      overview: os.admin.overview.handler(
        async (): Promise<AdminOverview> => ({
          ...(await workshops.overview()),
          connections: deps.connections(),
          health: await deps.health(),
        }),
      ),
      vms: os.admin.vms.handler(() => ({ workers: [...deps.workers()] })),
      audit: os.admin.audit.handler(({ input }) => auditPage(deps.database, input)),
      exportData: os.admin.exportData.handler(({ input, context }) =>
        personalData.export(input.subject, { userId: personOf(context).userId, address: context.address }),
      ),
      deleteData: os.admin.deleteData.handler(({ input, context }) =>
        personalData.delete(input.subject, { userId: personOf(context).userId, address: context.address }),
      ),
    },
  });
}

/** How a workshop refuses newcomers. */
const ONLY_RETURNING: ReadonlySet<string> = new Set(['workshop_full', 'registration_required']);

export type AppRouter = ReturnType<typeof createRouter>;

async function* numbered(events: ReturnType<Workshops['events']>) {
  for await (const { id, event } of events) yield withEventMeta(event, { id: String(id) });
}

/** An id that is not one of ours asks for everything. */
function revisionOf(lastEventId: string | undefined): number | undefined {
  return lastEventId !== undefined && /^\d{1,15}$/.test(lastEventId) ? Number(lastEventId) : undefined;
}

function anySignal(signal: AbortSignal | undefined, closing: AbortSignal): AbortSignal {
  return signal ? AbortSignal.any([signal, closing]) : closing;
}
