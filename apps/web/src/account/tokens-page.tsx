import type { Account, ApiToken, TokenScope } from '@clarateach/contract/account';
import { useMutation, useQuery } from '@tanstack/react-query';
import { KeyRound, Plus } from 'lucide-react';
import { useId, useState } from 'react';
import { client } from '../api/client.ts';
import { queries, queryClient } from '../api/queries.ts';
import { InstructorPage, SignedIn } from '../shell/instructor-page.tsx';
import { CopyButton } from '../ui/copy-button.tsx';
import { Confirm, Dialog } from '../ui/dialog.tsx';
import { ErrorPage } from '../ui/error-page.tsx';
import { Field, FieldGroup } from '../ui/field.tsx';
import { DialogForm } from '../ui/form.tsx';
import { formErrors } from '../ui/form-errors.ts';
import { dateText, useNow } from '../ui/time.ts';
import { toast, toastError } from '../ui/toast.ts';

export function TokensPage() {
  return (
    <SignedIn>
      {(account) => (
        <InstructorPage title="API tokens" account={account}>
          <Tokens account={account} />
        </InstructorPage>
      )}
    </SignedIn>
  );
}

function Tokens({ account }: { readonly account: Account }) {
  const { data: tokens, error, refetch } = useQuery(queries.tokens);
  const [creating, setCreating] = useState(false);
  const [revoking, setRevoking] = useState<ApiToken>();
  const now = useNow(60_000);
  const revoke = useMutation({
    mutationFn: (id: string) => client.tokens.revoke({ id }),
    onSuccess: () => toast('The token is revoked.'),
    onError: toastError,
    onSettled: () => queryClient.invalidateQueries({ queryKey: queries.tokens.queryKey }),
  });
  if (error && !tokens) return <ErrorPage error={error} onRetry={() => void refetch()} />;
  return (
    <div className="narrow stack">
      <div className="row spread wrap">
        <div>
          <h1>API tokens</h1>
          <p className="soft">A token lets a program act as you, as far as you say.</p>
        </div>
        <button type="button" className="button primary" onClick={() => setCreating(true)}>
          <Plus size={18} aria-hidden /> New token
        </button>
      </div>
      {tokens?.length === 0 && (
        <div className="card empty">
          <KeyRound size={28} aria-hidden />
          <p>
            You have no tokens. Make one to use <code>clarateach workshop create</code> from another machine.
          </p>
        </div>
      )}
      {tokens !== undefined && tokens.length > 0 && (
        <ul className="card token-list">
          {tokens.map((token) => (
            <li key={token.id}>
              <div>
                <strong>{token.name}</strong> <code className="soft">{token.hint}</code>
                <div className="row wrap scopes">
                  {token.scopes.map((scope) => (
                    <span key={scope} className="badge">
                      {SCOPES[scope].badge}
                    </span>
                  ))}
                </div>
                <div className="soft small-text">
                  {expiryText(token, now)} · Made {dateText(token.createdAt)} ·{' '}
                  {token.lastUsedAt === null ? 'never used' : `last used ${dateText(token.lastUsedAt)}`}
                </div>
              </div>
              <button
                type="button"
                className="button small"
                aria-label={`Revoke ${token.name}`}
                onClick={() => setRevoking(token)}
              >
                Revoke
              </button>
            </li>
          ))}
        </ul>
      )}
      <NewToken account={account} open={creating} onOpenChange={setCreating} />
      <Confirm
        open={revoking !== undefined}
        onOpenChange={(open) => !open && setRevoking(undefined)}
        title={`Revoke “${revoking?.name ?? ''}”?`}
        action="Revoke token"
        onConfirm={() => revoking && revoke.mutate(revoking.id)}
      >
        Whatever uses this token stops working at once. This cannot be undone.
      </Confirm>
    </div>
  );
}

/** What a token may do, in words. */
const SCOPES: Readonly<Record<TokenScope, { readonly badge: string; readonly text: string }>> = {
  'workshops:read': { badge: 'sees workshops', text: 'See your workshops and their seats' },
  'workshops:write': { badge: 'changes workshops', text: 'Make, start, stop and delete workshops' },
  account: { badge: 'account', text: 'Your account: profile, sessions and tokens' },
  admin: { badge: 'admin', text: 'All that admins do: people, and the overview of the server' },
};
const SCOPE_NAMES = Object.keys(SCOPES) as TokenScope[];
const USUAL: readonly TokenScope[] = ['workshops:read', 'workshops:write'];
const EXPIRIES = [
  { days: 30, label: 'in 30 days' },
  { days: 90, label: 'in 90 days' },
  { days: 365, label: 'in a year' },
  { days: 0, label: 'never' },
];

function expiryText({ expiresAt }: ApiToken, now: number): string {
  if (expiresAt === null) return 'Does not expire';
  return `${Date.parse(expiresAt) <= now ? 'Expired' : 'Expires'} ${dateText(expiresAt)}`;
}

interface NewTokenProps {
  readonly account: Account;
  readonly open: boolean;
  readonly onOpenChange: (open: boolean) => void;
}

function NewToken({ account, open, onOpenChange }: NewTokenProps) {
  const [name, setName] = useState('');
  const [scopes, setScopes] = useState(USUAL);
  const [days, setDays] = useState(90);
  const id = useId();
  const create = useMutation({
    mutationFn: () =>
      client.tokens.create({
        name,
        scopes: [...scopes],
        ...(days === 0 ? {} : { expiresInDays: days }),
      }),
    onSuccess: () => queryClient.invalidateQueries({ queryKey: queries.tokens.queryKey }),
  });
  const errors = formErrors(create.error, ['name', 'scopes'] as const);
  const changeOpen = (next: boolean) => {
    onOpenChange(next);
    if (next) return;
    // The token is shown once: closing forgets it.
    create.reset();
    setName('');
    setScopes(USUAL);
    setDays(90);
  };
  if (create.data) {
    return (
      <Dialog
        open={open}
        onOpenChange={changeOpen}
        title="Your new token"
        description="Copy it now and keep it safe. It is not shown again."
      >
        <div className="dialog-body">
          <div className="secret row">
            <code>{create.data.token}</code>
            <CopyButton text={create.data.token} what="token" />
          </div>
        </div>
        <div className="dialog-foot">
          <button type="button" className="button primary" onClick={() => changeOpen(false)}>
            I have copied it
          </button>
        </div>
      </Dialog>
    );
  }
  return (
    <Dialog open={open} onOpenChange={changeOpen} title="New API token">
      <DialogForm
        action="Make token"
        busy={create.isPending}
        failure={create.error}
        problem={errors.other}
        onCancel={() => changeOpen(false)}
        onSubmit={() => create.mutate()}
      >
        <Field
          label="Name"
          placeholder="My laptop"
          hint="To tell your tokens apart later."
          value={name}
          error={errors.fields.name}
          onChange={(event) => setName(event.target.value)}
        />
        <FieldGroup legend="It may" className="choices" error={errors.fields.scopes}>
          {SCOPE_NAMES.filter((scope) => scope !== 'admin' || account.role === 'admin').map((scope) => (
            <label key={scope} className="check">
              <input
                type="checkbox"
                checked={scopes.includes(scope)}
                onChange={({ target }) =>
                  setScopes(target.checked ? [...scopes, scope] : scopes.filter((each) => each !== scope))
                }
              />
              <span>{SCOPES[scope].text}</span>
            </label>
          ))}
        </FieldGroup>
        <div className="field">
          <label htmlFor={`${id}-expiry`}>It expires</label>
          <select
            id={`${id}-expiry`}
            className="input"
            value={days}
            onChange={(event) => setDays(Number(event.target.value))}
          >
            {EXPIRIES.map((each) => (
              <option key={each.days} value={each.days}>
                {each.label}
              </option>
            ))}
          </select>
        </div>
      </DialogForm>
    </Dialog>
  );
}
