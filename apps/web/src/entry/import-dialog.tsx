import { useMutation } from '@tanstack/react-query';
import { FileUp } from 'lucide-react';
import { useId, useState } from 'react';
import { client } from '../api/client.ts';
import { Dialog } from '../ui/dialog.tsx';
import { FieldError } from '../ui/field.tsx';
import { DialogForm } from '../ui/form.tsx';
import { formErrors } from '../ui/form-errors.ts';
import { Notice } from '../ui/notice.tsx';
import { toast, toastError } from '../ui/toast.ts';
import { askAgain } from './entry-queries.ts';

interface ImportDialogProps {
  readonly id: string;
  readonly onClose: () => void;
}

/** A list by paste or upload; wrong lines are named, and nothing is taken until they are right or left out. */
export function ImportDialog({ id, onClose }: ImportDialogProps) {
  const [csv, setCsv] = useState('');
  const textId = useId();
  const send = useMutation({
    mutationFn: (skipWrong: boolean) => client.entry.import({ id, csv, skipWrong }),
    onSuccess: ({ imported, waiting, problems }, skipWrong) => {
      if (problems.length > 0 && !skipWrong) return;
      toast(
        `${imported === 1 ? '1 person is' : `${imported} people are`} on the list${waiting === 0 ? '' : `, ${waiting} of them waiting for a place`}.`,
      );
      void askAgain(id);
      onClose();
    },
  });
  const problems = send.data?.problems ?? [];
  const errors = formErrors(send.error, ['csv'] as const);
  const take = (text: string) => {
    setCsv(text);
    send.reset();
  };
  const upload = async (file: File | undefined) => {
    if (!file) return;
    try {
      take(await file.text());
    } catch (error) {
      toastError(error);
    }
  };
  const invalid = errors.fields.csv !== undefined || problems.length > 0;

  return (
    <Dialog
      open
      onOpenChange={(next) => !next && onClose()}
      title="Import a list"
      description="One person a line: name, e-mail address. A first line may name the columns; more columns are kept as answers. Everybody gets an access code."
      width="wide"
    >
      <DialogForm
        action="Import"
        busy={send.isPending}
        failure={send.error ?? problems.length > 0}
        problem={errors.other}
        onCancel={onClose}
        onSubmit={() => send.mutate(false)}
        buttons={
          problems.length > 0 && (
            <button
              type="button"
              className="button"
              disabled={send.isPending}
              onClick={() => send.mutate(true)}
            >
              Import without these lines
            </button>
          )
        }
      >
        <div className="field">
          <div className="row spread">
            <label className="field-label" htmlFor={textId}>
              The list (CSV)
            </label>
            <label className="button small upload">
              <FileUp size={15} aria-hidden /> Choose a file
              <input
                type="file"
                className="visually-hidden"
                accept=".csv,.txt,.tsv,text/csv,text/plain"
                onChange={(event) => {
                  void upload(event.target.files?.[0]);
                  event.target.value = '';
                }}
              />
            </label>
          </div>
          <textarea
            id={textId}
            className="input csv"
            rows={9}
            spellCheck={false}
            placeholder={'name,email\nAda Lovelace,ada@example.org\nAlan Turing,'}
            value={csv}
            aria-invalid={invalid}
            aria-describedby={invalid ? `${textId}-error` : undefined}
            onChange={(event) => take(event.target.value)}
          />
          <FieldError id={`${textId}-error`} error={errors.fields.csv} />
        </div>
        {problems.length > 0 && (
          <Notice tone="bad">
            <div id={`${textId}-error`}>
              <strong>
                {problems.length === 1 ? 'One line is' : `${problems.length} lines are`} wrong, so nothing was
                imported yet.
              </strong>
              <ul className="problems">
                {problems.map(({ line, problem }) => (
                  <li key={line}>
                    Line {line}: {problem}
                  </li>
                ))}
              </ul>
            </div>
          </Notice>
        )}
      </DialogForm>
    </Dialog>
  );
}
