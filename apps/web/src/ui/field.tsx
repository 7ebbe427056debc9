import { CircleAlert } from 'lucide-react';
import type { ComponentProps, ReactNode } from 'react';
import { useId } from 'react';

interface FieldProps extends Omit<ComponentProps<'input'>, 'id'> {
  readonly label: string;
  readonly hint?: ReactNode;
  readonly error?: string | undefined;
  readonly optional?: boolean;
}

/** A labelled input whose hint and error are read with it. */
export function Field({ label, hint, error, optional, className = '', ...input }: FieldProps) {
  const id = useId();
  const describedBy = [hint !== undefined && `${id}-hint`, error !== undefined && `${id}-error`].filter(
    Boolean,
  );
  return (
    <div className="field">
      <label htmlFor={id}>
        {label} {optional && <span className="optional">(optional)</span>}
      </label>
      <input
        {...input}
        id={id}
        className={`input ${className}`}
        aria-invalid={error !== undefined}
        aria-describedby={describedBy.join(' ') || undefined}
      />
      <FieldError id={`${id}-error`} error={error} />
      {hint !== undefined && (
        <div className="hint" id={`${id}-hint`}>
          {hint}
        </div>
      )}
    </div>
  );
}

interface FieldGroupProps {
  readonly legend: string;
  readonly className: string;
  readonly error?: string | undefined;
  readonly children: ReactNode;
}

/** Choices or fields that are one question, and whose error is read with it. */
export function FieldGroup({ legend, className, error, children }: FieldGroupProps) {
  const id = useId();
  const wrong = error !== undefined;
  return (
    <fieldset
      className={`field-group ${className}`}
      data-wrong={wrong || undefined}
      aria-describedby={wrong ? id : undefined}
    >
      <legend className="field-label">{legend}</legend>
      {children}
      <FieldError id={id} error={error} />
    </fieldset>
  );
}

export function FieldError({ id, error }: { readonly id?: string; readonly error: string | undefined }) {
  if (error === undefined) return null;
  return (
    <div className="field-error" id={id} role="alert">
      <CircleAlert size={15} aria-hidden />
      <span>{error}</span>
    </div>
  );
}
