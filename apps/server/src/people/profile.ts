import type { Account, accountBody } from '@clarateach/contract/account';
import { PublicError } from '@clarateach/contract/errors';
import type { z } from 'zod';
import type { Mailer } from '../mail/mailer.ts';
import { type Database, isUniqueViolation } from '../store/database.ts';
import type { Entry } from './entry.ts';
import type { PasswordGuesses } from './guesses.ts';
import type { MailedLinks } from './mailed-links.ts';
import type { Passwords } from './passwords.ts';
import type { Person } from './people.ts';
import type { Sessions } from './sessions.ts';
import type { SignInLinks } from './sign-in-links.ts';

/** What people see and change of their own account. */
interface Profile {
  account(person: Person): Promise<Account>;
  /** Throws `unauthenticated` for an account that is gone. */
  addressOf(userId: string): Promise<string>;
  update(person: Person, body: z.infer<typeof accountBody>): Promise<Account>;
}

export function createProfile(deps: {
  readonly database: Database;
  readonly entry: Entry;
  readonly mailedLinks: MailedLinks;
  readonly links: SignInLinks;
  readonly passwords: Passwords;
  readonly guesses: PasswordGuesses;
  readonly sessions: Sessions;
  readonly mailer: Mailer;
  readonly now: () => number;
}): Profile {
  const { entry, mailedLinks, links, passwords, guesses, sessions, mailer, now } = deps;
  const { db } = deps.database;

  const load = async (userId: string) => {
    const user = await db
      .selectFrom('users')
      .select((select) => [
        'id',
        'name',
        'email',
        'emailVerified',
        'role',
        select
          .selectFrom('authAccounts')
          .whereRef('authAccounts.userId', '=', 'users.id')
          .where('password', 'is', null)
          .select(({ fn }) => fn.countAll().as('n'))
          .as('providers'),
      ])
      .where('id', '=', userId)
      .executeTakeFirst();
    if (!user) throw new PublicError('unauthenticated', 'This account is gone.');
    const { providers, emailVerified, ...rest } = user;
    return { ...rest, emailVerified: Boolean(emailVerified), hasProvider: Number(providers) > 0 };
  };

  const account = async ({ userId, via }: Person): Promise<Account> => {
    const user = await load(userId);
    const chosen = await passwords.has(userId);
    return { ...user, hasPassword: chosen && !(via.kind === 'session' && via.byLink) };
  };

  const checkCurrentPassword = async ({ userId, via }: Person, current: string | undefined) => {
    if (via.kind === 'session' && via.byLink) return;
    if (!(await passwords.has(userId))) {
      if (via.kind === 'session') return;
      // Else a token could make itself a way in that may do more than the token.
      throw new PublicError('forbidden', 'Sign in with a browser to choose an address or a first password.');
    }
    if (current === undefined || current === '') {
      throw new PublicError('invalid_input', 'Type your current password to change this.', {
        field: 'currentPassword',
      });
    }
    const right = await guesses.confirm(
      userId,
      () => passwords.isRight(userId, current),
      (verified) => verified,
    );
    if (!right) {
      throw new PublicError('invalid_input', 'This is not your current password.', {
        field: 'currentPassword',
      });
    }
  };

  /** The change is made by now; whoever asked for too many mails can ask again later. */
  const askToConfirm = (user: { id: string; email: string }): void => {
    if (mailer.kind === 'none') return;
    try {
      entry.mailConfirmation(user);
    } catch (error) {
      if (!(error instanceof PublicError)) throw error;
    }
  };

  return {
    account,

    addressOf: async (userId) => (await load(userId)).email,

    async update(person, { name, email: typed, password, currentPassword }) {
      const { userId, via } = person;
      const email = typed.toLowerCase();
      const before = await load(userId);
      const moved = email !== before.email;
      if (moved || password !== undefined) await checkCurrentPassword(person, currentPassword);
      if (password === undefined && !before.hasProvider && !(await account(person)).hasPassword) {
        throw new PublicError('invalid_input', 'Choose a password, to sign in with the next time.', {
          field: 'password',
        });
      }
      try {
        await db
          .updateTable('users')
          .set({
            name,
            email,
            updatedAt: new Date(now()),
            // A link that was mailed, or an identity provider, must not lead into an account whose address is only claimed.
            ...(moved ? { emailVerified: false } : {}),
          })
          .where('id', '=', userId)
          .execute();
      } catch (error) {
        if (!isUniqueViolation(error)) throw error;
        throw new PublicError('already_exists', 'Another account has this e-mail address.', {
          field: 'email',
          cause: error,
        });
      }
      if (moved || password !== undefined) await mailedLinks.forget(userId);
      if (moved) askToConfirm({ id: userId, email });
      if (password !== undefined) {
        await passwords.set(userId, password);
        const kept = via.kind === 'session' ? via.token : undefined;
        // Whoever else was signed in as this person, rightly or not, has to know the new password.
        await sessions.endOthers(userId, kept);
        await db
          .updateTable('authSessions')
          .set({ byLink: false })
          .where('token', '=', kept ?? '')
          .execute();
        await links.forgetFirst();
      }
      return account({
        ...person,
        via: via.kind === 'session' && password !== undefined ? { ...via, byLink: false } : via,
      });
    },
  };
}
