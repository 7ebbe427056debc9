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

export function FieldError({ id, error }: { readonly id?: string; readonly error: string | undefined }) {
  if (error === undefined) return null;
  return (
    <div className="error" id={id} role="alert">
      <CircleAlert size={15} aria-hidden />
      <span>{error}</span>
    </div>
  );
}
