import type { MailedLink } from '@clarateach/contract/people';
import { QueryClientProvider, useMutation, useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { Link, useLocation, useNavigate } from 'react-router';
import { ApiError, messageOf } from '../api/api-error.ts';
import { client } from '../api/client.ts';
import { queries, queryClient } from '../api/queries.ts';
import { paths } from '../paths.ts';
import { Field } from '../ui/field.tsx';
import { PageForm } from '../ui/form.tsx';
import { formErrors } from '../ui/form-errors.ts';
import { Notice } from '../ui/notice.tsx';
import { Waiting } from '../ui/spinner.tsx';
import { EntryPage } from './entry-page.tsx';
import { NameField } from './fields.tsx';

const TITLES = {
  'sign-in': 'Sign in',
  'reset-password': 'Set a new password',
  'confirm-address': 'Confirm your address',
  'sign-up': 'Finish your account',
  invitation: 'Welcome to ClaraTeach',
} as const satisfies Record<MailedLink['purpose'], string>;

const ACTIONS = {
  'sign-in': 'Sign in',
  'reset-password': 'Save and sign in',
  'confirm-address': 'Confirm this address',
  'sign-up': 'Make my account',
  invitation: 'Make my account',
} as const satisfies Record<MailedLink['purpose'], string>;

/**
 * Uses a link that was mailed. It says first what the link is for and waits for a click, so that a mail
 * filter that opens links uses none up, and nobody enters an account they did not expect.
 */
export function EnterPage() {
  const { hash } = useLocation();
  return (
    <QueryClientProvider client={queryClient}>
      <Enter token={hash.slice(1)} />
    </QueryClientProvider>
  );
}

function leadOf({ purpose, email }: MailedLink): string {
  if (purpose === 'invitation') return `You are invited to run workshops here, as ${email}.`;
  return purpose === 'confirm-address' ? `Is ${email} yours?` : `For ${email}.`;
}

function Enter({ token }: { readonly token: string }) {
  const {
    data: subject,
    error,
    refetch,
  } = useQuery({
    queryKey: ['mailed-link', token],
    queryFn: () => client.auth.look({ token }),
    // What is being used up is not asked for again.
    staleTime: Number.POSITIVE_INFINITY,
    enabled: token !== '',
  });
  if (subject) {
    return (
      <EntryPage title={TITLES[subject.purpose]} lead={leadOf(subject)}>
        <UseLink token={token} subject={subject} />
      </EntryPage>
    );
  }
  return (
    <EntryPage title="Your link">
      {token === '' || (error instanceof ApiError && error.code === 'not_found') ? (
        <Over />
      ) : error ? (
        <>
          <Notice tone="bad">{messageOf(error)}</Notice>
          <button type="button" className="button primary" onClick={() => void refetch()}>
            Try again
          </button>
        </>
      ) : (
        <Waiting label="Looking at your link…" />
      )}
    </EntryPage>
  );
}

function Over() {
  return (
    <>
      <Notice tone="warn">This link was used already, has expired, or was taken back.</Notice>
      <p className="soft">
        A link works once. If you have set a password, sign in with it; otherwise ask for a new link.
      </p>
      <Link className="button primary large" to={paths.signIn()}>
        Go to sign-in
      </Link>
    </>
  );
}

function UseLink({ token, subject }: { readonly token: string; readonly subject: MailedLink }) {
  const navigate = useNavigate();
  const { purpose, email } = subject;
  const isNew = purpose === 'invitation' || purpose === 'sign-up';
  const needsPassword = isNew || purpose === 'reset-password';
  const [name, setName] = useState(subject.name);
  const [password, setPassword] = useState('');
  const open = useMutation({
    mutationFn: () =>
      client.auth.open({ token, ...(isNew ? { name } : {}), ...(needsPassword ? { password } : {}) }),
    onSuccess: async ({ signedIn }) => {
      await queryClient.resetQueries({ queryKey: queries.me.queryKey });
      if (signedIn) navigate(paths.home(), { replace: true });
    },
  });
  const errors = formErrors(open.error, ['name', 'password'] as const);
  if (open.data && !open.data.signedIn) {
    return (
      <>
        <Notice tone="good">{email} is confirmed. Links can be mailed to it from now on.</Notice>
        <Link className="button primary large" to={paths.home()}>
          Go on
        </Link>
      </>
    );
  }
  if (open.error instanceof ApiError && open.error.code === 'not_found') return <Over />;
  return (
    <PageForm
      action={ACTIONS[purpose]}
      busy={open.isPending}
      failure={open.error}
      problem={errors.other}
      onSubmit={() => open.mutate()}
    >
      {isNew && <NameField value={name} error={errors.fields.name} onType={setName} />}
      {needsPassword && (
        <>
          {/* Password managers keep the password under this address. */}
          <input type="hidden" name="email" autoComplete="username" value={email} readOnly />
          <Field
            label={isNew ? 'Password' : 'New password'}
            type="password"
            name="password"
            autoComplete="new-password"
            hint={
              isNew
                ? 'At least 10 characters. A few words are good.'
                : 'At least 10 characters. You are signed out everywhere else.'
            }
            value={password}
            error={errors.fields.password}
            onChange={(event) => setPassword(event.target.value)}
          />
        </>
      )}
    </PageForm>
  );
}
