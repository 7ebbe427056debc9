import { useMutation, useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { client } from '../api/client.ts';
import { queries } from '../api/queries.ts';
import { paths } from '../paths.ts';
import { PageForm } from '../ui/form.tsx';
import { formErrors } from '../ui/form-errors.ts';
import { Notice } from '../ui/notice.tsx';
import { Waiting } from '../ui/spinner.tsx';
import { EntryPage, MailAsked } from './entry-page.tsx';
import { EmailField, NameField } from './fields.tsx';

export function SignUpPage() {
  return (
    <EntryPage
      title="Make an account"
      lead="For instructors. Learners need none: they join with a code."
      back={{ to: paths.signIn(), label: 'I have an account' }}
    >
      <SignUp />
    </EntryPage>
  );
}

function SignUp() {
  const { data: ways, isPending } = useQuery(queries.ways);
  const [name, setName] = useState('');
  const [email, setEmail] = useState('');
  const ask = useMutation({ mutationFn: () => client.auth.signUp({ name, email }) });
  const errors = formErrors(ask.error, ['name', 'email'] as const);
  if (isPending) return <Waiting label="Loading…" />;
  if (ways && !(ways.signUp.open && ways.mail)) {
    return <Notice tone="warn">Accounts here are made by invitation. Ask an admin of this server.</Notice>;
  }
  if (ask.isSuccess) return <MailAsked email={email} onAgain={() => ask.reset()} />;
  const domains = ways?.signUp.domains ?? [];
  return (
    <PageForm
      action="Go on"
      busy={ask.isPending}
      failure={ask.error}
      problem={errors.other}
      onSubmit={() => ask.mutate()}
    >
      <NameField value={name} error={errors.fields.name} onType={setName} />
      <EmailField
        hint={
          domains.length > 0
            ? `An address that ends in ${domains.map((domain) => `@${domain}`).join(' or ')}. We mail it a link to finish with.`
            : 'We mail it a link, by which you finish and choose a password.'
        }
        value={email}
        error={errors.fields.email}
        onType={setEmail}
      />
    </PageForm>
  );
}
