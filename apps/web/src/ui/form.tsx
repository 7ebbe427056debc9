import type { ReactNode } from 'react';
import { useEffect, useRef } from 'react';
import { Notice } from './notice.tsx';
import { Spinner } from './spinner.tsx';

/** The fields that are wrong, and what can be chosen in a group that is. */
const WRONG = '[aria-invalid="true"], [data-wrong] :is(input, button):not(:disabled)';

interface FormProps {
  readonly className?: string;
  /** A submission is under way: another waits for its end. */
  readonly busy: boolean;
  /** What the last submission failed with. With each new one the first wrong field gets the focus. */
  readonly failure: unknown;
  readonly onSubmit: () => void;
  readonly children: ReactNode;
}

/** A form whose fields are judged by who takes them, and not by the browser in words of its own. */
export function Form({ className, busy, failure, onSubmit, children }: FormProps) {
  const form = useRef<HTMLFormElement>(null);
  useEffect(() => {
    if (failure) form.current?.querySelector<HTMLElement>(WRONG)?.focus();
  }, [failure]);
  return (
    <form
      ref={form}
      className={className}
      noValidate
      onSubmit={(event) => {
        event.preventDefault();
        if (!busy) onSubmit();
      }}
    >
      {children}
    </form>
  );
}

interface SubmitButtonProps {
  readonly busy: boolean;
  readonly className?: string;
  readonly children: ReactNode;
}

/** Keeps the focus while it is busy, which a disabled button would lose. */
export function SubmitButton({ busy, className = 'primary', children }: SubmitButtonProps) {
  return (
    <button type="submit" className={`button ${className}`} aria-disabled={busy}>
      {busy && <Spinner />}
      {children}
    </button>
  );
}

interface WholeFormProps extends Omit<FormProps, 'className'> {
  /** What the button at its end does. */
  readonly action: ReactNode;
  /** What is wrong and belongs to no field. */
  readonly problem: string | undefined;
}

/** The one form of a page: its fields, what is wrong with it, and a large button. */
export function PageForm({ action, problem, children, ...form }: WholeFormProps) {
  return (
    <Form {...form} className="stack">
      {children}
      {problem !== undefined && <Notice tone="bad">{problem}</Notice>}
      <SubmitButton busy={form.busy} className="primary large">
        {action}
      </SubmitButton>
    </Form>
  );
}

interface DialogFormProps extends WholeFormProps {
  readonly onCancel: () => void;
  readonly tone?: 'primary' | 'danger';
  /** How the fields stand. */
  readonly layout?: 'stack' | 'form-grid';
  /** More buttons, before the one that submits. */
  readonly buttons?: ReactNode;
}

/** The form of a dialog: its fields, what is wrong with it, a way back and a way on. */
export function DialogForm(props: DialogFormProps) {
  const { action, problem, onCancel, tone = 'primary', layout = 'stack', buttons, children, ...form } = props;
  return (
    <Form {...form}>
      <div className={`dialog-body ${layout}`}>
        {children}
        {problem !== undefined && (
          <div className="whole">
            <Notice tone="bad">{problem}</Notice>
          </div>
        )}
      </div>
      <div className="dialog-foot">
        <button type="button" className="button" onClick={onCancel}>
          Cancel
        </button>
        {buttons}
        <SubmitButton busy={form.busy} className={tone}>
          {action}
        </SubmitButton>
      </div>
    </Form>
  );
}
