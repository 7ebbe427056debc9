import type { Auth } from './auth.ts';

const CREDENTIAL = 'credential';
/** better-auth's name for accounts that no identity provider vouches for. */
const CREDENTIAL_ISSUER = 'local:credential';

/** Passwords of accounts, hashed by better-auth's scrypt. */
export interface Passwords {
  has(userId: string): Promise<boolean>;
  /** False also where there is none. */
  isRight(userId: string, password: string): Promise<boolean>;
  set(userId: string, password: string): Promise<void>;
}

export function createPasswords(auth: Auth): Passwords {
  const hashOf = async (userId: string): Promise<string | undefined> =>
    (await (await auth.$context).internalAdapter.findCredentialAccount(userId))?.password || undefined;

  return {
    has: async (userId) => (await hashOf(userId)) !== undefined,

    async isRight(userId, password) {
      const hash = await hashOf(userId);
      return hash !== undefined && (await auth.$context).password.verify({ hash, password });
    },

    async set(userId, password) {
      const context = await auth.$context;
      const hash = await context.password.hash(password);
      if (await context.internalAdapter.findCredentialAccount(userId)) {
        await context.internalAdapter.updatePassword(userId, hash);
        return;
      }
      await context.internalAdapter.linkAccount({
        userId,
        providerId: CREDENTIAL,
        issuer: CREDENTIAL_ISSUER,
        accountId: userId,
        password: hash,
      });
    },
  };
}
