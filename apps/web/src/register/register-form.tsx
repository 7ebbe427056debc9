import type { MadeRegistration, RegisterInfo } from '@clarateach/contract/entry';
import { NOT_ANSWERED } from '@clarateach/contract/form-limits';
import { ArrowRight } from 'lucide-react';
import { useState } from 'react';
import { register } from '../api/learner.ts';
import { Field } from '../ui/field.tsx';
import { PageForm } from '../ui/form.tsx';
import { formErrors } from '../ui/form-errors.ts';
import { Notice } from '../ui/notice.tsx';

interface RegisterFormProps {
  readonly code: string;
  readonly info: RegisterInfo;
  readonly onRegistered: (registration: MadeRegistration) => void;
}

export function RegisterForm({ code, info, onRegistered }: RegisterFormProps) {
  const [name, setName] = useState('');
  const [email, setEmail] = useState('');
  const [answers, setAnswers] = useState<Readonly<Record<string, string>>>({});
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>();
  const at = (label: string) => `answers.${label}` as const;
  const missing = info.questions.filter(({ label, required }) => required && !answers[label]?.trim());
  const errors = formErrors(
    error,
    ['name', 'email', ...info.questions.map(({ label }) => at(label))] as const,
    Object.fromEntries(missing.map(({ label }) => [at(label), NOT_ANSWERED])),
  );

  const submit = async () => {
    setBusy(true);
    setError(undefined);
    try {
      onRegistered(await register({ code, name, email, answers }));
    } catch (caught) {
      setError(caught);
      setBusy(false);
    }
  };

  return (
    <PageForm
      action={
        <>
          {info.full ? 'Join the waiting list' : 'Register'}
          {!busy && <ArrowRight size={18} aria-hidden />}
        </>
      }
      busy={busy}
      failure={error}
      problem={errors.other}
      onSubmit={() => void submit()}
    >
      {info.full && (
        <Notice tone="warn">
          <strong>All places are taken.</strong> You can join the waiting list; you move up by yourself when a
          place becomes free.
        </Notice>
      )}
      <Field
        label="Your name"
        name="name"
        autoComplete="name"
        maxLength={60}
        autoFocus
        value={name}
        error={errors.fields.name}
        hint="Your instructor sees it."
        onChange={(event) => setName(event.target.value)}
      />
      <Field
        label="E-mail address"
        optional
        type="email"
        name="email"
        autoComplete="email"
        maxLength={200}
        value={email}
        error={errors.fields.email}
        hint="For your access code and news about your place, and nothing else."
        onChange={(event) => setEmail(event.target.value)}
      />
      {info.questions.map(({ label, required }) => (
        <Field
          key={label}
          label={label}
          optional={!required}
          maxLength={500}
          autoComplete="off"
          value={answers[label] ?? ''}
          error={errors.fields[at(label)]}
          onChange={(event) => setAnswers({ ...answers, [label]: event.target.value })}
        />
      ))}
    </PageForm>
  );
}
