import type { Role } from '@clarateach/contract/account';
import type { SentInvitation } from '@clarateach/contract/people';
import { useMutation } from '@tanstack/react-query';
import { useId } from 'react';
import { client } from '../api/client.ts';
import { queries, queryClient } from '../api/queries.ts';
import { Dialog } from '../ui/dialog.tsx';
import { Field, FieldGroup } from '../ui/field.tsx';
import { DialogForm } from '../ui/form.tsx';
import { formErrors } from '../ui/form-errors.ts';

export interface InvitationForm {
  readonly email: string;
  readonly role: Role;
}
export const emptyInvitation: InvitationForm = { email: '', role: 'instructor' };

const ROLES = [
  { role: 'instructor', text: 'Instructor: makes workshops, and sees only their own' },
  { role: 'admin', text: 'Admin: also manages people and sees the whole server' },
] as const;

interface InviteDialogProps {
  readonly open: boolean;
  readonly onOpenChange: (open: boolean) => void;
  readonly form: InvitationForm;
  readonly onForm: (form: InvitationForm) => void;
  readonly onSent: (invitation: SentInvitation) => void;
}

export function InviteDialog({ open, onOpenChange, form, onForm, onSent }: InviteDialogProps) {
  const name = useId();
  const invite = useMutation({
    mutationFn: () => client.people.invite(form),
    onSuccess: (sent) => {
      onSent(sent);
      return queryClient.invalidateQueries({ queryKey: queries.people.queryKey });
    },
  });
  const errors = formErrors(invite.error, ['email'] as const);
  return (
    <Dialog
      open={open}
      onOpenChange={onOpenChange}
      title="Invite somebody"
      description="They get a link, choose a password and can begin. It works once, for 7 days."
    >
      <DialogForm
        action="Invite"
        busy={invite.isPending}
        failure={invite.error}
        problem={errors.other}
        onCancel={() => onOpenChange(false)}
        onSubmit={() => invite.mutate()}
      >
        <Field
          label="E-mail"
          type="email"
          autoComplete="off"
          placeholder="ada@example.org"
          value={form.email}
          error={errors.fields.email}
          onChange={(event) => onForm({ ...form, email: event.target.value })}
        />
        <FieldGroup legend="Role" className="choices">
          {ROLES.map(({ role, text }) => (
            <label key={role} className="check">
              <input
                type="radio"
                name={name}
                checked={form.role === role}
                onChange={() => onForm({ ...form, role })}
              />
              <span>{text}</span>
            </label>
          ))}
        </FieldGroup>
      </DialogForm>
    </Dialog>
  );
}
