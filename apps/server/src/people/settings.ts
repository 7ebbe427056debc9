import { list } from '@clarateach/contract/setting-values';
import type { SettingsReader } from '@clarateach/contract/settings';
import { isLoopback } from '../loopback.ts';
import { type MailSettings, mailFrom, smtpUrl } from '../mail/settings.ts';
import type { SignUp } from './sign-up.ts';

/** An OpenID Connect issuer that people sign in with. */
export interface ProviderSettings {
  /** As its discovery document says it, such as `https://accounts.google.com`. */
  readonly issuer: string;
  readonly clientId: string;
  readonly clientSecret: string;
  /** What the button says: "Google". */
  readonly name: string;
}

export interface AccountSettings {
  readonly mail: MailSettings | undefined;
  /** Without a mail server: whether mail is shown to whoever runs this one, on their own machine. */
  readonly printMail: boolean;
  readonly signUp: SignUp;
  readonly provider: ProviderSettings | undefined;
}

/**
 * `SMTP_URL` and `MAIL_FROM`, `SIGN_UP` and `SIGN_UP_DOMAINS`, `OIDC_ISSUER`, `OIDC_CLIENT_ID`,
 * `OIDC_CLIENT_SECRET` and `OIDC_NAME`.
 */
export function readAccountSettings(
  read: SettingsReader['read'],
  site: {
    readonly publicUrl: string | undefined;
    readonly host: string;
    readonly problem: (line: string) => void;
  },
): AccountSettings {
  const text = (name: string) => read<string | undefined>(name, undefined, (value) => value);
  const local = isLoopback(site.publicUrl === undefined ? site.host : new URL(site.publicUrl).hostname);

  const url = read<string | undefined>('SMTP_URL', undefined, smtpUrl);
  const from = read<string | undefined>('MAIL_FROM', undefined, mailFrom);
  if (url !== undefined && from === undefined) {
    site.problem('MAIL_FROM is missing. With SMTP_URL, give the address that mail comes from.');
  }
  const mail = url === undefined || from === undefined ? undefined : { url, from };

  const provider = {
    issuer: read<string | undefined>('OIDC_ISSUER', undefined, issuer),
    clientId: text('OIDC_CLIENT_ID'),
    clientSecret: text('OIDC_CLIENT_SECRET'),
  };
  const name = text('OIDC_NAME');
  const { issuer: at, clientId, clientSecret } = provider;
  const complete = at !== undefined && clientId !== undefined && clientSecret !== undefined;
  if (!complete && (at ?? clientId ?? clientSecret ?? name) !== undefined) {
    site.problem(
      'OIDC_ISSUER, OIDC_CLIENT_ID and OIDC_CLIENT_SECRET belong together: give all three, or none of them.',
    );
  }

  const kind = read<SignUp['kind']>('SIGN_UP', 'closed', (value) => {
    if (value === 'open' || value === 'closed') return value;
    throw new Error(`is "${value}". Choose closed, so that accounts are made by invitation, or open.`);
  });
  const domains = read<readonly string[]>('SIGN_UP_DOMAINS', [], signUpDomains);
  if (kind === 'open' && mail === undefined && !local && !complete) {
    site.problem(
      'SIGN_UP is open, but nobody could sign up: set SMTP_URL and MAIL_FROM, by which addresses are verified, or OIDC_ISSUER.',
    );
  }

  return {
    mail,
    printMail: local,
    signUp: kind === 'open' ? { kind, domains } : { kind },
    provider: complete
      ? { issuer: at, clientId, clientSecret, name: name ?? new URL(at).hostname }
      : undefined,
  };
}

function issuer(value: string): string {
  const url = URL.parse(value);
  const safe = url?.protocol === 'https:' || (url?.protocol === 'http:' && isLoopback(url.hostname));
  if (!url || !safe || url.search || url.hash || url.username) {
    throw new Error(`is "${value}". Give an issuer such as https://accounts.google.com, with https.`);
  }
  return value;
}

function signUpDomains(value: string): string[] {
  return list(value.toLowerCase())
    .map((each) => each.replace(/^@/, ''))
    .map((each) => {
      if (/^([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z0-9-]{2,}$/.test(each)) return each;
      throw new Error(
        `has "${each}". Give the domains of e-mail addresses, such as example.org,example.edu.`,
      );
    });
}
