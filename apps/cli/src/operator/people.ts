import type { ApiToken, CreateTokenBody } from '@clarateach/contract/account';
import type { Config } from '@clarateach/server/config';
import { createPeople, type People } from '@clarateach/server/people/people';
import type { Database } from '@clarateach/server/store/database';
import { CommandError } from '../errors.ts';
import { openInstallation } from './database.ts';
import { secretsOf } from './secrets.ts';

/**
 * Instructors' accounts, for whoever can read the server's own data and is its operator by that.
 * Works beside a running server and without one.
 */
async function withPeople<T>(
  config: Config,
  work: (people: People, database: Database) => Promise<T>,
): Promise<T> {
  const database = await openInstallation(config);
  try {
    const { sessions } = await secretsOf(config, database);
    const people = createPeople({
      database,
      publicUrl: config.publicUrl ?? `http://localhost:${config.port}`,
      secret: sessions,
      now: Date.now,
      onError: (error) => {
        throw error;
      },
    });
    return await work(people, database);
  } finally {
    await database.close();
  }
}

/** A new API token of the first admin, or of whoever has the e-mail address. */
export function createToken(
  config: Config,
  options: { readonly token: CreateTokenBody; readonly email: string | undefined },
): Promise<ApiToken & { readonly token: string }> {
  return withPeople(config, async (people, database) => {
    const user =
      options.email === undefined ? await people.firstAdmin() : await userWith(database, options.email);
    return people.tokens.create(user, options.token);
  });
}

/** Removes a token that {@link createToken} made for the first admin. */
export function revokeToken(config: Config, id: string): Promise<void> {
  return withPeople(config, async (people) => people.tokens.revoke(await people.firstAdmin(), id));
}

/** A link that signs in once: the first admin, or whoever has the e-mail address. */
export function signInLink(config: Config, email: string | undefined): Promise<string> {
  return withPeople(config, (people) => people.signInLink(email));
}

async function userWith({ db }: Database, email: string): Promise<string> {
  const user = await db
    .selectFrom('users')
    .select('id')
    .where('email', '=', email.toLowerCase())
    .executeTakeFirst();
  if (user === undefined) {
    throw new CommandError(
      `Nobody has the e-mail address ${email}. \`clarateach sign-in-link --user ${email}\` makes an account.`,
    );
  }
  return user.id;
}
