import type { ApiToken } from '@clarateach/contract/account';
import { useMutation, useQuery } from '@tanstack/react-query';
import { KeyRound, Plus } from 'lucide-react';
import type { FormEvent } from 'react';
import { useState } from 'react';
import { client } from '../api/client.ts';
import { queries, queryClient } from '../api/queries.ts';
import { InstructorPage, SignedIn } from '../shell/instructor-page.tsx';
import { CopyButton } from '../ui/copy-button.tsx';
import { Confirm, Dialog } from '../ui/dialog.tsx';
import { ErrorPage } from '../ui/error-page.tsx';
import { Field } from '../ui/field.tsx';
import { formErrors } from '../ui/form-errors.ts';
import { Notice } from '../ui/notice.tsx';
import { dateText } from '../ui/time.ts';
import { toast, toastError } from '../ui/toast.ts';

export function TokensPage() {
  return (
    <SignedIn>
      {(account) => (
        <InstructorPage title="API tokens" account={account}>
          <Tokens />
        </InstructorPage>
      )}
    </SignedIn>
  );
}

function Tokens() {
  const { data: tokens, error, refetch } = useQuery(queries.tokens);
  const [creating, setCreating] = useState(false);
  const [revoking, setRevoking] = useState<ApiToken>();
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
          <p className="soft">A token lets the command line or a program act as you.</p>
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
                <strong>{token.name}</strong> <code className="soft">{token.hint}…</code>
                <div className="soft small-text">
                  Made {dateText(token.createdAt)} ·{' '}
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
      <NewToken open={creating} onOpenChange={setCreating} />
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

interface NewTokenProps {
  readonly open: boolean;
  readonly onOpenChange: (open: boolean) => void;
}

function NewToken({ open, onOpenChange }: NewTokenProps) {
  const [name, setName] = useState('');
  const create = useMutation({
    mutationFn: () => client.tokens.create({ name }),
    onSuccess: () => queryClient.invalidateQueries({ queryKey: queries.tokens.queryKey }),
  });
  const errors = formErrors(create.error, ['name'] as const);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    create.mutate();
  };
  const changeOpen = (next: boolean) => {
    onOpenChange(next);
    if (next) return;
    // The token is shown once: closing forgets it.
    create.reset();
    setName('');
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
      <form onSubmit={submit}>
        <div className="dialog-body stack">
          <Field
            label="Name"
            placeholder="My laptop"
            hint="To tell your tokens apart later."
            value={name}
            error={errors.fields.name}
            onChange={(event) => setName(event.target.value)}
          />
          {errors.other !== undefined && <Notice tone="bad">{errors.other}</Notice>}
        </div>
        <div className="dialog-foot">
          <button type="button" className="button" onClick={() => changeOpen(false)}>
            Cancel
          </button>
          <button type="submit" className="button primary" disabled={create.isPending}>
            Make token
          </button>
        </div>
      </form>
    </Dialog>
  );
}
