import { api } from '@clarateach/contract/api';
import { implement } from '@orpc/server';
import type { People, Person } from '../people/people.ts';
import { type Caller, personOf, type RequestContext } from './callers.ts';
import type { Origins } from './origins.ts';

const SENT = { sent: true } as const;

/**
 * The contract's procedures of accounts: ways in, sessions, and people for admins. `implement` has been
 * given what finds out who calls.
 */
export function peopleHandlers(
  os: ReturnType<typeof identified>,
  { people, origins }: { readonly people: People; readonly origins: Origins },
) {
  const { entry, invitations, roster, sessions } = people;
  /** A page of another site may not sign its visitors in to an account of its choosing. */
  const ownPage = (context: RequestContext): RequestContext => {
    origins.check(context.method, context.headers);
    return context;
  };
  const tokenOf = ({ via }: Person) => (via.kind === 'session' ? via.token : undefined);

  return {
    auth: {
      ways: os.auth.ways.handler(() => entry.ways()),
      signUp: os.auth.signUp.handler(({ input, context }) => {
        entry.signUp(input, ownPage(context));
        return SENT;
      }),
      mailLink: os.auth.mailLink.handler(({ input, context }) => {
        entry.mailSignInLink(input.email, ownPage(context));
        return SENT;
      }),
      forgotten: os.auth.forgotten.handler(({ input, context }) => {
        entry.mailPasswordReset(input.email, ownPage(context));
        return SENT;
      }),
      look: os.auth.look.handler(({ input }) => entry.look(input.token)),
      open: os.auth.open.handler(async ({ input, context }) => {
        const { signedIn, cookies } = await entry.open(input, ownPage(context));
        context.answer.cookies = cookies;
        return { signedIn };
      }),
    },

    sessions: {
      list: os.sessions.list.handler(async ({ context }) => {
        const person = personOf(context);
        return { sessions: await sessions.list(person.userId, tokenOf(person)) };
      }),
      end: os.sessions.end.handler(async ({ input, context }) => {
        await sessions.end(personOf(context).userId, input.id);
        return input;
      }),
      endOthers: os.sessions.endOthers.handler(async ({ context }) => {
        const person = personOf(context);
        return { ended: await sessions.endOthers(person.userId, tokenOf(person)) };
      }),
    },

    people: {
      list: os.people.list.handler(async () => ({
        people: await roster.list(),
        invitations: await invitations.list(),
      })),
      invite: os.people.invite.handler(({ input, context }) =>
        invitations.send(personOf(context).userId, input),
      ),
      resend: os.people.resend.handler(({ input }) => invitations.resend(input.id)),
      revoke: os.people.revoke.handler(async ({ input }) => {
        await invitations.revoke(input.id);
        return input;
      }),
      change: os.people.change.handler(({ input: { id, ...wanted }, context }) =>
        roster.change(personOf(context).userId, id, wanted),
      ),
      endSessions: os.people.endSessions.handler(({ input }) => roster.endSessions(input.id)),
      remove: os.people.remove.handler(async ({ input: { params, query }, context }) => {
        await roster.remove(personOf(context).userId, params.id, query.workshopsTo);
        return params;
      }),
    },
  };
}

/** Only for its type: the implementer once callers are identified. */
function identified() {
  return implement(api)
    .$context<RequestContext>()
    .use(({ next }) => next({ context: { caller: { kind: 'anyone' } as Caller } }));
}
