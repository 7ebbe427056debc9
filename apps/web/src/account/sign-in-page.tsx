import type { SignInWays } from '@clarateach/contract/people';
import { useMutation, useQuery } from '@tanstack/react-query';
import { LogIn, Mail } from 'lucide-react';
import type { ReactNode } from 'react';
import { useState } from 'react';
import { Link, useNavigate, useSearchParams } from 'react-router';
import { ApiError } from '../api/api-error.ts';
import { client } from '../api/client.ts';
import { queries, queryClient } from '../api/queries.ts';
import { paths, returnPath } from '../paths.ts';
import { Field } from '../ui/field.tsx';
import { PageForm } from '../ui/form.tsx';
import { formErrors } from '../ui/form-errors.ts';
import { Notice } from '../ui/notice.tsx';
import { Spinner } from '../ui/spinner.tsx';
import { EntryPage, MailAsked } from './entry-page.tsx';
import { EmailField } from './fields.tsx';
import { signIn } from './sign-in.ts';

/** Why somebody was led back here, as the server names it. */
const REASONS: Readonly<Record<string, ReactNode>> = {
  link: (
    <>
      That link was used or has expired: run <code>clarateach sign-in-link</code> on the server for a new one.
    </>
  ),
  cancelled: 'You came back without signing in. Try again, or sign in another way.',
  'not-invited':
    'Nobody here has this e-mail address, and accounts are made by invitation. Ask an admin to invite you.',
  'not-verified':
    'The provider does not say that your e-mail address is verified. Verify it there, then try again.',
  'not-linked':
    'There is an account with this address that was never confirmed. Sign in with its password and confirm the address on the account page.',
  disabled: 'This account is disabled. Ask an admin to enable it.',
  provider:
    'The identity provider could not be used just now. Nothing was changed: try again, or sign in another way.',
};

export function SignInPage() {
  return (
    <EntryPage title="Sign in" lead="For instructors. Learners need no account: they join with a code.">
      <SignIn />
    </EntryPage>
  );
}

function SignIn() {
  const [search] = useSearchParams();
  const { data: ways } = useQuery(queries.ways);
  const [email, setEmail] = useState('');
  const [mailed, setMailed] = useState(false);
  const next = returnPath(search.get('next'));
  const reason = search.get('error');
  if (mailed) return <MailAsked email={email} onAgain={() => setMailed(false)} />;
  return (
    <>
      {reason !== null && <Notice tone="warn">{REASONS[reason] ?? REASONS.provider}</Notice>}
      {ways?.provider != null && (
        <>
          <a className="button large" href={paths.provider(next)}>
            <LogIn size={18} aria-hidden /> Continue with {ways.provider}
          </a>
          <div className="or" aria-hidden>
            or
          </div>
        </>
      )}
      <PasswordForm
        email={email}
        onEmail={setEmail}
        next={next}
        ways={ways}
        onMailed={() => setMailed(true)}
      />
      {ways !== undefined && <Foot ways={ways} />}
    </>
  );
}

interface PasswordFormProps {
  readonly email: string;
  readonly onEmail: (email: string) => void;
  readonly next: string;
  readonly ways: SignInWays | undefined;
  readonly onMailed: () => void;
}

function PasswordForm({ email, onEmail, next, ways, onMailed }: PasswordFormProps) {
  const navigate = useNavigate();
  const [password, setPassword] = useState('');
  const enter = useMutation({
    mutationFn: () => signIn(email.trim(), password),
    onSuccess: async () => {
      await queryClient.resetQueries({ queryKey: queries.me.queryKey });
      navigate(next, { replace: true });
    },
  });
  const mail = useMutation({ mutationFn: () => client.auth.mailLink({ email }), onSuccess: onMailed });
  const errors = formErrors(enter.error ?? mail.error, ['email', 'password'] as const);
  return (
    <>
      <PageForm
        action="Sign in"
        busy={enter.isPending}
        failure={enter.error ?? mail.error}
        problem={isRefused(enter.error) ? 'The e-mail address or the password is wrong.' : errors.other}
        onSubmit={() => {
          mail.reset();
          enter.mutate();
        }}
      >
        <EmailField value={email} error={errors.fields.email} onType={onEmail} />
        <Field
          label="Password"
          type="password"
          name="password"
          autoComplete="current-password"
          value={password}
          error={errors.fields.password}
          onChange={(event) => setPassword(event.target.value)}
        />
      </PageForm>
      {ways?.mail && (
        <button
          type="button"
          className="button"
          disabled={mail.isPending}
          onClick={() => {
            enter.reset();
            mail.mutate();
          }}
        >
          {mail.isPending ? <Spinner /> : <Mail size={17} aria-hidden />}
          Mail me a sign-in link
        </button>
      )}
    </>
  );
}

function Foot({ ways }: { readonly ways: SignInWays }) {
  return (
    <div className="stack small-text soft">
      {ways.mail ? (
        <Link to={paths.forgotten()}>Forgotten your password?</Link>
      ) : (
        <p>
          No password yet, or forgotten? Ask an admin of this server for a sign-in link. Admins run{' '}
          <code>clarateach sign-in-link</code> on the server.
        </p>
      )}
      {ways.signUp.open && ways.mail ? (
        <p>
          New here? <Link to={paths.signUp()}>Make an account</Link>
        </p>
      ) : (
        !ways.signUp.open && <p>New here? Accounts are made by invitation: ask an admin of this server.</p>
      )}
    </div>
  );
}

function isRefused(error: unknown): boolean {
  return error instanceof ApiError && error.status === 401;
}
