import type { IncomingHttpHeaders } from 'node:http';
import { PublicError, wrongFields } from '@clarateach/contract/errors';
import type { MailedLink, openLinkBody, SignInWays } from '@clarateach/contract/people';
import type { z } from 'zod';
import { addressKey, createAttempts } from '../attempts.ts';
import type { Mail, Mailer } from '../mail/mailer.ts';
import { type Database, isUniqueViolation } from '../store/database.ts';
import type { Auth } from './auth.ts';
import type { Invitations } from './invitations.ts';
import { LINK_MINUTES, type LinkSubject, type MailedLinks } from './mailed-links.ts';
import { mails } from './mails.ts';
import type { Passwords } from './passwords.ts';
import { maySignUp, type SignUp } from './sign-up.ts';

/** Who sent a request. */
export interface From {
  readonly headers: IncomingHttpHeaders;
  /** Network address of the client. */
  readonly address: string;
}

/**
 * Ways in that need no password. Whoever asks for a mail is answered before anything is looked up, so
 * that neither the answer nor its time tells whether an address is known.
 */
export interface Entry {
  ways(): SignInWays;
  /** Throws `forbidden` where sign-up is closed, `invalid_input` for another domain's address, `too_many_attempts`. */
  signUp(asked: { readonly name: string; readonly email: string }, from: From): void;
  /** Throws `forbidden` where no mail can be sent, or `too_many_attempts`; so do the two below. */
  mailSignInLink(email: string, from: From): void;
  mailPasswordReset(email: string, from: From): void;
  mailConfirmation(user: { readonly id: string; readonly email: string }): void;
  /** What a mailed link is for. Throws `not_found` for one that is good no longer. */
  look(token: string): Promise<MailedLink>;
  /**
   * Uses a mailed link. Throws `not_found` as above, `invalid_input` where name or password is missing
   * (the link stays good), `forbidden` for a disabled account.
   */
  open(
    body: z.infer<typeof openLinkBody>,
    from: From,
  ): Promise<{ readonly signedIn: boolean; readonly cookies: readonly string[] }>;
}

export function createEntry(deps: {
  readonly database: Database;
  readonly auth: Auth;
  readonly links: MailedLinks;
  readonly invitations: Invitations;
  readonly passwords: Passwords;
  readonly mailer: Mailer;
  readonly signUp: SignUp;
  /** The name of the identity provider. */
  readonly provider: string | undefined;
  readonly publicUrl: string;
  readonly now: () => number;
  /** Cookies of a new session. */
  readonly openSession: (
    user: { readonly id: string; readonly email: string },
    opened: From & { readonly byLink: boolean },
  ) => Promise<readonly string[]>;
}): Entry {
  const { auth, links, invitations, passwords, mailer, signUp, publicUrl, now } = deps;
  const { db } = deps.database;
  const refusal = 'Too many mails were asked for.';
  // Three mails at once and one in five minutes fill nobody's mailbox; a school asks from one address.
  const toOne = createAttempts({ burst: 3, perMinute: 0.2, now, refusal });
  const fromOne = createAttempts({ burst: 30, perMinute: 10, now, refusal });

  const admit = (email: string, address: string | undefined): void => {
    if (mailer.kind === 'none') {
      throw new PublicError('forbidden', 'This server sends no mail. Ask its admin for a sign-in link.');
    }
    const to = email.toLowerCase();
    const from = address === undefined ? undefined : addressKey(address);
    if (from !== undefined) fromOne.check(from);
    toOne.check(to);
    if (from !== undefined) fromOne.count(from);
    toOne.count(to);
  };

  const userWith = (email: string) =>
    db
      .selectFrom('users')
      .select(['id', 'name', 'email', 'emailVerified', 'disabledAt'])
      .where('email', '=', email.toLowerCase())
      .executeTakeFirst();

  /** A link into the account that has the address, or what its owner needs to hear instead. */
  const linkMail = async (
    email: string,
    purpose: 'sign-in' | 'reset-password',
  ): Promise<Mail | undefined> => {
    const user = await userWith(email);
    if (!user) {
      const invited = await invitations.byEmail(email);
      // Whoever lost the invitation's mail tries to sign in.
      if (invited) await invitations.resend(invited.id);
      return undefined;
    }
    if (user.disabledAt !== null) return undefined;
    if (!user.emailVerified) return mails.addressNotConfirmed(user.email, publicUrl);
    const link = await links.create({ purpose, userId: user.id, email: user.email });
    const write = purpose === 'sign-in' ? mails.signIn : mails.resetPassword;
    return write(user.email, link, LINK_MINUTES[purpose]);
  };

  const invitationOf = async (token: string): Promise<MailedLink | undefined> => {
    const invited = await invitations.byToken(token);
    return invited && { purpose: 'invitation', email: invited.email, name: '' };
  };

  const look = async (token: string): Promise<MailedLink> => {
    const subject = await links.look(token);
    if (!subject) {
      const invited = await invitationOf(token);
      if (invited) return invited;
      throw linkIsOver();
    }
    const { purpose, email } = subject;
    if (subject.purpose === 'sign-up') return { purpose, email, name: subject.name };
    return { purpose, email, name: (await ownerOf(subject)).name };
  };

  /** The account that a link leads into: the one it was mailed for, if that still has the address. */
  const ownerOf = async (subject: Exclude<LinkSubject, { purpose: 'sign-up' }>) => {
    const user = await userWith(subject.email);
    if (!user || user.id !== subject.userId) throw linkIsOver();
    return user;
  };

  /** Makes the account that an invitation or a sign-up stands for. */
  const createUser = async (token: string, chosen: { name: string; password: string }) => {
    const invited = await invitations.byToken(token);
    const subject = invited ? undefined : await links.redeem(token);
    const email = invited?.email ?? subject?.email;
    if (email === undefined) throw linkIsOver();
    const { internalAdapter } = await auth.$context;
    try {
      const user = await internalAdapter.createUser(
        { name: chosen.name, email, role: invited?.role ?? 'instructor', emailVerified: true },
        { method: 'magic-link' },
      );
      await passwords.set(user.id, chosen.password);
      await invitations.accepted(email);
      return user;
    } catch (error) {
      if (!isUniqueViolation(error)) throw error;
      await invitations.accepted(email);
      throw new PublicError(
        'already_exists',
        'There is an account with this address already. Sign in with it; if you forgot the password, ask for a new one.',
        { cause: error },
      );
    }
  };

  return {
    ways: () => ({
      mail: mailer.kind !== 'none',
      signUp: {
        open: signUp.kind === 'open' && (mailer.kind !== 'none' || deps.provider !== undefined),
        domains: signUp.kind === 'open' ? [...signUp.domains] : [],
      },
      provider: deps.provider ?? null,
    }),

    signUp({ name, email: typed }, { address }) {
      if (signUp.kind === 'closed') {
        throw new PublicError(
          'forbidden',
          'Accounts here are made by invitation. Ask an admin of this server.',
        );
      }
      if (!maySignUp(signUp, typed)) {
        throw new PublicError(
          'invalid_input',
          `Use an address that ends in ${signUp.domains.map((domain) => `@${domain}`).join(' or ')}.`,
          { field: 'email' },
        );
      }
      admit(typed, address);
      const email = typed.toLowerCase();
      mailer.later(async () => {
        const user = await userWith(email);
        if (user) return user.disabledAt === null ? mails.accountExists(email, publicUrl) : undefined;
        return mails.signUp(email, await links.create({ purpose: 'sign-up', email, name }));
      });
    },

    mailSignInLink(email, { address }) {
      admit(email, address);
      mailer.later(() => linkMail(email, 'sign-in'));
    },

    mailPasswordReset(email, { address }) {
      admit(email, address);
      mailer.later(() => linkMail(email, 'reset-password'));
    },

    mailConfirmation({ id, email }) {
      admit(email, undefined);
      mailer.later(async () =>
        mails.confirmAddress(email, await links.create({ purpose: 'confirm-address', userId: id, email })),
      );
    },

    look,

    async open({ token, name, password }, from) {
      const { purpose, email, name: knownName } = await look(token);
      if (purpose === 'invitation' || purpose === 'sign-up') {
        const user = await createUser(token, chosenBy({ name: name ?? knownName, password }));
        return { signedIn: true, cookies: await deps.openSession(user, { ...from, byLink: false }) };
      }
      const fresh = purpose === 'reset-password' ? chosenPassword(password) : undefined;
      const subject = await links.redeem(token);
      if (!subject || subject.purpose === 'sign-up') throw linkIsOver();
      const user = await ownerOf(subject);
      if (purpose === 'confirm-address') {
        await db
          .updateTable('users')
          .set({ emailVerified: true })
          .where('id', '=', user.id)
          .where('email', '=', email)
          .execute();
        return { signedIn: false, cookies: [] };
      }
      if (fresh !== undefined) {
        await passwords.set(user.id, fresh);
        // Whoever knew the old password, or holds an older link, is out.
        await db.deleteFrom('authSessions').where('userId', '=', user.id).execute();
        await links.forget(user.id);
      }
      const cookies = await deps.openSession(user, { ...from, byLink: fresh === undefined });
      return { signedIn: true, cookies };
    },
  };
}

/** What a new account needs; throws `invalid_input` of all that is missing. */
function chosenBy({ name, password }: { readonly name: string; readonly password: string | undefined }) {
  const missing = [
    ...(name === '' ? [{ field: 'name', message: 'Type your name.' }] : []),
    ...(password === undefined ? [{ field: 'password', message: 'Choose a password.' }] : []),
  ];
  if (password === undefined || missing.length > 0) throw wrongFields(missing);
  return { name, password };
}

function chosenPassword(password: string | undefined): string {
  if (password !== undefined) return password;
  throw new PublicError('invalid_input', 'Choose a password.', { field: 'password' });
}

function linkIsOver(): PublicError {
  return new PublicError(
    'not_found',
    'This link was used already, has expired, or was taken back. Ask for a new one.',
  );
}
