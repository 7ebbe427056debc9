import { ArrowLeft } from 'lucide-react';
import type { FormEvent } from 'react';
import { useState } from 'react';
import { Link, useNavigate, useSearchParams } from 'react-router';
import { ApiError, messageOf } from '../api/api-error.ts';
import { queries, queryClient } from '../api/queries.ts';
import { paths, returnPath } from '../paths.ts';
import { Field } from '../ui/field.tsx';
import { Logo } from '../ui/logo.tsx';
import { Notice } from '../ui/notice.tsx';
import { Spinner } from '../ui/spinner.tsx';
import { ThemeToggle } from '../ui/theme-toggle.tsx';
import { signIn } from './sign-in.ts';

function signInError(error: unknown): string {
  if (error instanceof ApiError && (error.status === 401 || error.status === 403)) {
    return 'The e-mail address or the password is wrong.';
  }
  if (error instanceof ApiError && error.status === 429) {
    return 'Too many attempts. Wait a minute, then try again.';
  }
  return messageOf(error);
}

export function SignInPage() {
  const [search] = useSearchParams();
  const navigate = useNavigate();
  const [email, setEmail] = useState('');
  const [password, setPassword] = useState('');
  const [error, setError] = useState<string>();
  const [busy, setBusy] = useState(false);

  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    setError(undefined);
    try {
      await signIn(email.trim(), password);
      await queryClient.resetQueries({ queryKey: queries.me.queryKey });
      navigate(returnPath(search.get('next')), { replace: true });
    } catch (caught) {
      setError(signInError(caught));
      setBusy(false);
    }
  };

  return (
    <main className="message-page">
      <title>Sign in · ClaraTeach</title>
      <ThemeToggle className="corner" />
      <div className="message-card card">
        <Logo size={40} />
        <div>
          <h1>Sign in</h1>
          <p className="soft">For instructors. Learners need no account: they join with a code.</p>
        </div>
        {search.get('error') === 'link' && (
          <Notice tone="warn">
            That link was used or has expired: run <code>clarateach sign-in-link</code> on the server for a
            new one.
          </Notice>
        )}
        <form className="stack" onSubmit={(event) => void submit(event)}>
          <Field
            label="E-mail"
            type="email"
            name="email"
            autoComplete="username"
            required
            value={email}
            onChange={(event) => setEmail(event.target.value)}
          />
          <Field
            label="Password"
            type="password"
            name="password"
            autoComplete="current-password"
            required
            value={password}
            onChange={(event) => setPassword(event.target.value)}
          />
          {error !== undefined && <Notice tone="bad">{error}</Notice>}
          <button type="submit" className="button primary large" disabled={busy}>
            {busy && <Spinner />}
            Sign in
          </button>
        </form>
        <p className="soft small-text">
          No password yet, or forgotten? Run <code>clarateach sign-in-link</code> on the server: it prints a
          link that signs you in once.
        </p>
        <Link className="row small-text" to={paths.home()}>
          <ArrowLeft size={16} aria-hidden /> Start page
        </Link>
      </div>
    </main>
  );
}
