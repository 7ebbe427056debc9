import type { ReactNode } from 'react';
import { Field } from '../ui/field.tsx';

interface TypedProps {
  readonly value: string;
  readonly error: string | undefined;
  readonly onType: (value: string) => void;
  readonly hint?: ReactNode;
}

/** The name of whoever has the account, as browsers fill it in. */
export function NameField({ onType, ...field }: TypedProps) {
  return (
    <Field
      label="Name"
      name="name"
      autoComplete="name"
      onChange={(event) => onType(event.target.value)}
      {...field}
    />
  );
}

/** The address of an account, under which password managers keep its password. */
export function EmailField({ onType, ...field }: TypedProps) {
  return (
    <Field
      label="E-mail"
      type="email"
      name="email"
      autoComplete="username"
      onChange={(event) => onType(event.target.value)}
      {...field}
    />
  );
}
