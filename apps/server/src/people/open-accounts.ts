import { type Audit, createAudit } from '../audit/audit.ts';
import { type Mailer, openMailer } from '../mail/mailer.ts';
import type { Database } from '../store/database.ts';
import type { SealedSecrets } from '../tokens/sealed-secrets.ts';
import { createPeople, type People } from './people.ts';
import { createProvider, type Provider } from './provider.ts';
import type { AccountSettings } from './settings.ts';

/** People with accounts, the ways they come in, the mail they get, and the log of what they did. */
export interface Accounts {
  readonly people: People;
  /** Undefined without an identity provider. */
  readonly provider: Provider | undefined;
  readonly mailer: Mailer;
  readonly audit: Audit;
  close(): Promise<void>;
}

export async function openAccounts(
  { signUp, provider: issuer, mail, printMail }: AccountSettings,
  deps: {
    readonly database: Database;
    readonly publicUrl: string;
    readonly secrets: SealedSecrets;
    /** How long lines of the audit log are kept. */
    readonly auditDays: number;
    readonly now: () => number;
    /** Where mail is shown that no mail server takes, on a developer's machine. */
    readonly print: (text: string) => void;
    readonly onError: (error: unknown) => void;
  },
): Promise<Accounts> {
  const { database, publicUrl, secrets, now, onError } = deps;
  await using opening = new AsyncDisposableStack();
  const mailer = opening.adopt(
    await openMailer({ settings: mail, print: printMail ? deps.print : undefined, onError }),
    (each) => each.close(),
  );
  const audit = opening.adopt(
    createAudit({ database, secret: secrets.audit, now, keepDays: deps.auditDays, onError }),
    (each) => each.close(),
  );
  const common = { database, publicUrl, secret: secrets.sessions, now, signUp, onError };
  const people = createPeople({
    ...common,
    mailer,
    provider: issuer?.name,
    onInvitationAccepted: ({ email, role }) => {
      const target = { kind: 'person', name: email } as const;
      void audit.record({ actor: target, action: 'invitation.accepted', target, details: { role } });
    },
  });
  const provider = issuer && createProvider({ ...common, settings: issuer, invitations: people.invitations });
  const opened = opening.move();
  return { people, provider, mailer, audit, close: () => opened.disposeAsync() };
}
