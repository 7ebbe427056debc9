import type { SeatSession } from '@clarateach/contract/join';
import { addressKey, createAttempts } from '../attempts.ts';
import type { Colleagues } from '../entry/colleagues.ts';
import type { HandOver } from '../entry/hand-over.ts';
import type { Registrations } from '../entry/registrations.ts';
import type { Claim } from '../join/join.ts';
import { personOf, type RequestContext } from './callers.ts';
import type { CodeGuesses } from './code-guesses.ts';
import type { Implementer } from './implementer.ts';

export interface EntryRoutesDeps {
  readonly registrations: Registrations;
  readonly handOver: HandOver;
  readonly colleagues: Colleagues;
  readonly now: () => number;
}

/** Registrations from one address: a school's whole class at once, and a flood slowly. */
const FROM_ONE_ADDRESS = { burst: 200, perMinute: 30 } as const;

/** How learners register, and how instructors decide who comes in. */
export function entryRoutes(
  os: Implementer,
  deps: EntryRoutesDeps & {
    readonly guesses: CodeGuesses;
    readonly session: (claim: Claim, context: RequestContext) => Promise<SeatSession>;
  },
) {
  const { registrations, handOver, colleagues, guesses } = deps;
  const made = createAttempts({ ...FROM_ONE_ADDRESS, now: deps.now });

  return {
    register: {
      info: os.register.info.handler(({ input, context }) =>
        guesses.guard({ address: context.address, code: input.code }, () => registrations.info(input.code)),
      ),
      register: os.register.register.handler(({ input, context }) => {
        const key = addressKey(context.address);
        made.check(key);
        return guesses.guard({ address: context.address, code: input.code }, async () => {
          const registration = await registrations.register(input);
          made.count(key);
          return registration;
        });
      }),
      cancel: os.register.cancel.handler(({ input, context }) =>
        guesses.guard({ address: context.address, code: input.code }, () =>
          registrations.cancelOwn(input.code),
        ),
      ),
    },

    handOver: {
      // 192 random bits need no limit on guesses.
      redeem: os.handOver.redeem.handler(async ({ input, context }) => {
        const { claim, code } = await handOver.redeem(input.token);
        return { ...(await deps.session(claim, context)), code };
      }),
    },

    entry: {
      registrations: os.entry.registrations.handler(({ input, context }) =>
        registrations.list(personOf(context).userId, input.id),
      ),
      configure: os.entry.configure.handler(({ input: { id, ...settings }, context }) =>
        registrations.configure(personOf(context).userId, id, settings),
      ),
      import: os.entry.import.handler(({ input: { id, ...body }, context }) =>
        registrations.import(personOf(context).userId, id, body),
      ),
      export: os.entry.export.handler(async ({ input, context }) => {
        const { filename, csv } = await registrations.export(personOf(context).userId, input.id);
        return new File([csv], filename, { type: 'text/csv' });
      }),
      cancel: os.entry.cancel.handler(({ input, context }) =>
        registrations.cancel(personOf(context).userId, input.id, input.registration),
      ),
      rotate: os.entry.rotate.handler(({ input, context }) =>
        registrations.rotate(personOf(context).userId, input.id, input.registration),
      ),
      resend: os.entry.resend.handler(({ input, context }) =>
        registrations.resend(personOf(context).userId, input.id, input.registration),
      ),
      handOver: os.entry.handOver.handler(({ input, context }) =>
        handOver.create(personOf(context).userId, input.id, input.seat),
      ),
    },

    colleagues: {
      list: os.colleagues.list.handler(async ({ input, context }) => ({
        instructors: await colleagues.list(personOf(context).userId, input.id),
      })),
      add: os.colleagues.add.handler(({ input, context }) =>
        colleagues.add(personOf(context).userId, input.id, input.email),
      ),
      remove: os.colleagues.remove.handler(async ({ input, context }) => {
        await colleagues.remove(personOf(context).userId, input.id, input.userId);
        return { userId: input.userId };
      }),
    },
  };
}
