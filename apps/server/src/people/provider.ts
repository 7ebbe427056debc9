import type { IncomingHttpHeaders } from 'node:http';
import { type BetterAuthOptions, betterAuth } from 'better-auth';
import { genericOAuth } from 'better-auth/plugins/generic-oauth';
import { ACCOUNT_DISABLED, ADDRESS_HEADER, type AuthDeps, authOptions } from './auth.ts';
import type { From } from './entry.ts';
import type { Invitations } from './invitations.ts';
import type { ProviderSettings } from './settings.ts';
import { maySignUp, type SignUp } from './sign-up.ts';

const PROVIDER_ID = 'oidc';
const DISCOVERY_MS = 10_000;
/** What the sign-in page says why nobody was signed in; the page has a sentence for each. */
export type ProviderRefusal =
  | 'provider'
  | 'cancelled'
  | 'not-invited'
  | 'not-verified'
  | 'not-linked'
  | 'disabled';

/** Where the identity provider sends people back to; it has to be told of this path. */
export const PROVIDER_CALLBACK_PATH = `/api/auth/callback/${PROVIDER_ID}`;

/** An answer to a browser: where to go, and cookies that go with it. */
interface Redirect {
  readonly location: string;
  readonly cookies: readonly string[];
}

/**
 * Signing in with an OpenID Connect issuer: better-auth's plugin, with PKCE, state and nonce. It may be
 * away when this server starts, so it is asked when the first person wants to sign in.
 *
 * Whom it vouches for comes in when they have an account under a confirmed address, or are invited, or
 * may sign up; the issuer must say that the address is verified. Nothing of its tokens is kept.
 */
export interface Provider {
  /** Sends a browser to the issuer; `next` is the path of this site to come back to. */
  start(next: string, from: From): Promise<Redirect>;
  /** Takes a browser that comes back, with the query it brings. */
  callback(query: string, from: From): Promise<Redirect>;
}

export function createProvider(
  deps: Omit<AuthDeps, 'log'> & {
    readonly settings: ProviderSettings;
    readonly invitations: Invitations;
    readonly signUp: SignUp;
    readonly onError: (error: unknown) => void;
  },
): Provider {
  const { settings, publicUrl } = deps;
  let opened: ReturnType<typeof open> | undefined;

  const connected = async () => {
    opened ??= open();
    try {
      return await opened;
    } catch (error) {
      opened = undefined;
      throw error;
    }
  };

  async function open() {
    await discover(settings.issuer);
    const auth = providerAuth(deps);
    // Rejects when discovery fails, which it may although it worked a moment ago.
    await auth.$context;
    return auth;
  }

  const refused = (why: ProviderRefusal): Redirect => ({ location: `/sign-in?error=${why}`, cookies: [] });

  return {
    async start(next, from) {
      try {
        const auth = await connected();
        const { response, headers } = await auth.api.signInSocial({
          body: { provider: PROVIDER_ID, callbackURL: next, errorCallbackURL: '/sign-in' },
          headers: providerHeaders(publicUrl, from),
          returnHeaders: true,
        });
        if (!response.url) throw new Error('better-auth gave no address of the identity provider.');
        return { location: response.url, cookies: headers.getSetCookie() };
      } catch (error) {
        deps.onError(new Error(`OIDC_ISSUER: ${settings.issuer} cannot be used.`, { cause: error }));
        return refused('provider');
      }
    },

    async callback(query, from) {
      let response: Response;
      try {
        const auth = await connected();
        response = await auth.handler(
          new Request(`${publicUrl}${PROVIDER_CALLBACK_PATH}?${query}`, {
            headers: providerHeaders(publicUrl, from),
          }),
        );
      } catch (error) {
        deps.onError(new Error(`OIDC_ISSUER: ${settings.issuer} cannot be used.`, { cause: error }));
        return refused('provider');
      }
      const cookies = response.headers.getSetCookie();
      const location = new URL(response.headers.get('location') ?? '/sign-in?error=provider', publicUrl);
      const error = location.searchParams.get('error');
      if (
        location.origin === publicUrl &&
        location.pathname !== '/sign-in' &&
        error === null &&
        response.status < 400
      ) {
        await deps.invitations.accepted();
        return { location: location.pathname + location.search, cookies };
      }
      return { ...refused(refusalOf(error)), cookies };
    },
  };
}

function providerAuth(deps: Parameters<typeof createProvider>[0]) {
  const { settings, invitations, signUp, publicUrl } = deps;
  // What better-auth calls errors here are people whom the issuer or we turned away; they are told on the page.
  const options = authOptions({ ...deps, log: () => {} });
  return betterAuth({
    ...options,
    user: {
      ...options.user,
      async validateUserInfo({ user, source }) {
        // Somebody who signed in this way before is known by the issuer's own name for them.
        if (source.action === 'sign-in') return;
        if (!user.emailVerified) return { error: 'not-verified' };
        if (source.action === 'link-account') return;
        const email = user.email ?? '';
        if (maySignUp(signUp, email) || (await invitations.byEmail(email))) return;
        return { error: 'not-invited' };
      },
    },
    databaseHooks: {
      ...options.databaseHooks,
      user: {
        create: {
          before: async (user) => ({
            data: {
              ...user,
              name: user.name || (user.email.split('@', 1)[0] ?? ''),
              role: (await invitations.byEmail(user.email))?.role ?? 'instructor',
            },
          }),
        },
      },
      account: {
        create: {
          // They open doors at the issuer, and nothing here needs them again.
          before: async (account) => ({
            data: {
              ...account,
              accessToken: null,
              refreshToken: null,
              idToken: null,
              accessTokenExpiresAt: null,
              refreshTokenExpiresAt: null,
            },
          }),
        },
      },
    },
    onAPIError: { errorURL: `${publicUrl}/sign-in` },
    plugins: [
      genericOAuth({
        config: [
          {
            providerId: PROVIDER_ID,
            name: settings.name,
            discoveryUrl: discoveryUrl(settings.issuer),
            accountIssuer: settings.issuer,
            clientId: settings.clientId,
            clientSecret: settings.clientSecret,
            scopes: ['openid', 'email', 'profile'],
            pkce: true,
            requireIdTokenVerification: true,
            mapProfileToUser: (profile) => ({
              // Some issuers write it as text.
              emailVerified: profile.email_verified === true || profile.email_verified === 'true',
            }),
          },
        ],
      }),
    ],
  } satisfies BetterAuthOptions);
}

/** Throws, with a message for the operator, unless the issuer describes itself and under this very name. */
async function discover(issuer: string): Promise<void> {
  const url = discoveryUrl(issuer);
  const response = await fetch(url, { signal: AbortSignal.timeout(DISCOVERY_MS) });
  if (!response.ok) throw new Error(`${url} answered with status ${response.status}.`);
  const { issuer: named } = (await response.json()) as { issuer?: unknown };
  if (named !== issuer) {
    throw new Error(`${url} is of the issuer ${String(named)}: set OIDC_ISSUER to exactly that.`);
  }
}

function discoveryUrl(issuer: string): string {
  return `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`;
}

function refusalOf(error: string | null): ProviderRefusal {
  switch (error) {
    case 'access_denied':
      return 'cancelled';
    case 'not-invited':
    case 'not-verified':
      return error;
    case 'account_not_linked':
      return 'not-linked';
    case ACCOUNT_DISABLED:
      return 'disabled';
    default:
      return 'provider';
  }
}

function providerHeaders(publicUrl: string, { headers, address }: From): Headers {
  const result = new Headers({ origin: publicUrl, [ADDRESS_HEADER]: address });
  const { cookie, 'user-agent': device } = headers satisfies IncomingHttpHeaders;
  if (cookie !== undefined) result.set('cookie', cookie);
  if (device !== undefined) result.set('user-agent', device);
  return result;
}
