import type { Account } from '@clarateach/contract/account';
import { useMutation, useQuery } from '@tanstack/react-query';
import { KeyRound } from 'lucide-react';
import { useState } from 'react';
import { Link } from 'react-router';
import { client } from '../api/client.ts';
import { queries, queryClient } from '../api/queries.ts';
import { paths } from '../paths.ts';
import { InstructorPage, SignedIn } from '../shell/instructor-page.tsx';
import { Field } from '../ui/field.tsx';
import { Form, SubmitButton } from '../ui/form.tsx';
import { formErrors } from '../ui/form-errors.ts';
import { Notice } from '../ui/notice.tsx';
import { toast, toastError } from '../ui/toast.ts';
import { EmailField, NameField } from './fields.tsx';
import { SessionList } from './session-list.tsx';

export function AccountPage() {
  return (
    <SignedIn>
      {(account) => (
        <InstructorPage title="Account" account={account}>
          <div className="narrow stack">
            <h1>Your account</h1>
            <AccountForm account={account} />
            <Link className="card link-card" to={paths.tokens()}>
              <KeyRound size={20} aria-hidden />
              <span>
                <strong>API tokens</strong>
                <span className="soft">For the command line and for programs of your own</span>
              </span>
            </Link>
            <SessionList />
          </div>
        </InstructorPage>
      )}
    </SignedIn>
  );
}

const CURRENT_NEEDED = 'Type your current password to change this.';
const FIELDS = ['name', 'email', 'password', 'currentPassword'] as const;

function AccountForm({ account }: { readonly account: Account }) {
  const [name, setName] = useState(account.name);
  const [email, setEmail] = useState(account.email);
  const [password, setPassword] = useState('');
  const [currentPassword, setCurrentPassword] = useState('');
  const save = useMutation({
    mutationFn: () =>
      client.account.update({
        name,
        email,
        ...(password === '' ? {} : { password }),
        ...(account.hasPassword && currentPassword !== '' ? { currentPassword } : {}),
      }),
    onSuccess: (saved) => {
      queryClient.setQueryData(queries.me.queryKey, saved);
      setPassword('');
      setCurrentPassword('');
      toast(
        password === ''
          ? 'Saved.'
          : 'Saved. Sign in with this e-mail address and password from now on; other sessions are ended.',
      );
    },
  });
  const secured = password !== '' || email.trim().toLowerCase() !== account.email;
  const errors = formErrors(save.error, FIELDS, {
    ...(account.hasPassword && secured && currentPassword === '' ? { currentPassword: CURRENT_NEEDED } : {}),
  });
  return (
    <Form
      className="card form-card stack"
      busy={save.isPending}
      failure={save.error}
      onSubmit={() => save.mutate()}
    >
      {!account.hasPassword && !account.hasProvider && (
        <Notice tone="warn">
          You came by a one-time link. Set a password, so that you can sign in again.
        </Notice>
      )}
      <NameField value={name} error={errors.fields.name} onType={setName} />
      <EmailField value={email} error={errors.fields.email} onType={setEmail} />
      {!account.emailVerified && account.email !== '' && <Unconfirmed email={account.email} />}
      {account.hasPassword && (
        <Field
          label="Current password"
          type="password"
          autoComplete="current-password"
          hint="Needed to change address or password."
          value={currentPassword}
          error={errors.fields.currentPassword}
          onChange={(event) => setCurrentPassword(event.target.value)}
        />
      )}
      <Field
        label={account.hasPassword ? 'New password' : 'Password'}
        optional={account.hasPassword || account.hasProvider}
        type="password"
        autoComplete="new-password"
        hint={`At least 10 characters.${account.hasPassword ? ' It ends your other sessions.' : ''}`}
        value={password}
        error={errors.fields.password}
        onChange={(event) => setPassword(event.target.value)}
      />
      {errors.other !== undefined && <Notice tone="bad">{errors.other}</Notice>}
      <div>
        <SubmitButton busy={save.isPending}>Save</SubmitButton>
      </div>
    </Form>
  );
}

/** Links are mailed to confirmed addresses only. */
function Unconfirmed({ email }: { readonly email: string }) {
  const { data: ways } = useQuery(queries.ways);
  const send = useMutation({
    mutationFn: () => client.account.confirmAddress(),
    onSuccess: () => toast(`A mail with a link is on its way to ${email}.`),
    onError: toastError,
  });
  if (!ways?.mail) return null;
  return (
    <Notice
      tone="warn"
      action={
        <button
          type="button"
          className="button small"
          disabled={send.isPending}
          onClick={() => send.mutate()}
        >
          Mail me a link
        </button>
      }
    >
      {email} is not confirmed yet. Until then no sign-in links are mailed to it.
    </Notice>
  );
}
