import { useMutation } from '@tanstack/react-query';
import { useState } from 'react';
import { client } from '../api/client.ts';
import { paths } from '../paths.ts';
import { PageForm } from '../ui/form.tsx';
import { formErrors } from '../ui/form-errors.ts';
import { EntryPage, MailAsked } from './entry-page.tsx';
import { EmailField } from './fields.tsx';

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
  return (
    <PageForm
      action="Mail me a link"
      busy={ask.isPending}
      failure={ask.error}
      problem={errors.other}
      onSubmit={() => ask.mutate()}
    >
      <EmailField value={email} error={errors.fields.email} onType={setEmail} />
    </PageForm>
  );
}
