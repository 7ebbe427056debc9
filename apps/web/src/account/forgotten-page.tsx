import { useMutation } from '@tanstack/react-query';
import type { FormEvent } from 'react';
import { useState } from 'react';
import { client } from '../api/client.ts';
import { paths } from '../paths.ts';
import { Field } from '../ui/field.tsx';
import { formErrors } from '../ui/form-errors.ts';
import { Notice } from '../ui/notice.tsx';
import { Spinner } from '../ui/spinner.tsx';
import { EntryPage, MailAsked } from './entry-page.tsx';

export function ForgottenPage() {
  return (
    <EntryPage
      title="Forgotten password"
      lead="We mail you a link to set a new one."
      back={{ to: paths.signIn(), label: 'Sign in' }}
    >
      <Forgotten />
    </EntryPage>
  );
}

function Forgotten() {
  const [email, setEmail] = useState('');
  const ask = useMutation({ mutationFn: () => client.auth.forgotten({ email }) });
  const errors = formErrors(ask.error, ['email'] as const);
  if (ask.isSuccess) return <MailAsked email={email} onAgain={() => ask.reset()} />;
  const submit = (event: FormEvent) => {
    event.preventDefault();
    ask.mutate();
  };
  return (
    <form className="stack" onSubmit={submit} noValidate>
      <Field
        label="E-mail"
        type="email"
        name="email"
        autoComplete="username"
        value={email}
        error={errors.fields.email}
        onChange={(event) => setEmail(event.target.value)}
      />
      {errors.other !== undefined && <Notice tone="bad">{errors.other}</Notice>}
      <button type="submit" className="button primary large" disabled={ask.isPending}>
        {ask.isPending && <Spinner />}
        Mail me a link
      </button>
    </form>
  );
}
