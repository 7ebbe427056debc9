import type { Account } from '@clarateach/contract/account';
import type { PersonView } from '@clarateach/contract/people';
import { useMutation } from '@tanstack/react-query';
import { useId, useState } from 'react';
import { client } from '../api/client.ts';
import { queries, queryClient } from '../api/queries.ts';
import { Dialog } from '../ui/dialog.tsx';
import { FieldError } from '../ui/field.tsx';
import { DialogForm } from '../ui/form.tsx';
import { formErrors } from '../ui/form-errors.ts';
import { toast } from '../ui/toast.ts';

interface RemoveDialogProps {
  readonly person: PersonView;
  /** Who may take over the workshops. */
  readonly heirs: readonly PersonView[];
  readonly me: Account;
  readonly open: boolean;
  readonly onOpenChange: (open: boolean) => void;
}

/** Removes an account; one that owns workshops hands them over first. */
export function RemoveDialog({ person, heirs, me, open, onOpenChange }: RemoveDialogProps) {
  const { id, name, workshops } = person;
  const field = useId();
  const [heir, setHeir] = useState(me.id);
  const remove = useMutation({
    mutationFn: () =>
      client.people.remove({ params: { id }, query: workshops > 0 ? { workshopsTo: heir } : {} }),
    onSuccess: () => {
      toast(`${name} is removed.`);
      onOpenChange(false);
      return queryClient.invalidateQueries({ queryKey: queries.people.queryKey });
    },
  });
  const errors = formErrors(remove.error, ['workshopsTo'] as const);
  return (
    <Dialog
      open={open}
      onOpenChange={onOpenChange}
      title={`Remove ${name}?`}
      description="The account goes, with its sessions and API tokens. This cannot be undone; to keep it for later, disable it instead."
    >
      <DialogForm
        action="Remove"
        tone="danger"
        busy={remove.isPending}
        failure={remove.error}
        problem={errors.other}
        onCancel={() => onOpenChange(false)}
        onSubmit={() => remove.mutate()}
      >
        {workshops > 0 && (
          <div className="field">
            <label htmlFor={field}>
              {workshops === 1 ? 'One workshop goes to' : `${workshops} workshops go to`}
            </label>
            <select
              id={field}
              className="input"
              value={heir}
              onChange={(event) => setHeir(event.target.value)}
            >
              {heirs.map((each) => (
                <option key={each.id} value={each.id}>
                  {each.name}
                  {each.id === me.id ? ' (you)' : ''}
                </option>
              ))}
            </select>
            <FieldError error={errors.fields.workshopsTo} />
            <div className="hint">They run on, with their learners and files.</div>
          </div>
        )}
      </DialogForm>
    </Dialog>
  );
}
