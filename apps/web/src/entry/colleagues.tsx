import type { Colleague } from '@clarateach/contract/entry';
import { useMutation, useQuery } from '@tanstack/react-query';
import { UserMinus } from 'lucide-react';
import { useState } from 'react';
import { client } from '../api/client.ts';
import { queryClient } from '../api/queries.ts';
import { Confirm } from '../ui/dialog.tsx';
import { Field } from '../ui/field.tsx';
import { Form, SubmitButton } from '../ui/form.tsx';
import { formErrors } from '../ui/form-errors.ts';
import { IconButton } from '../ui/icon-button.tsx';
import { Notice } from '../ui/notice.tsx';
import { toast, toastError } from '../ui/toast.ts';
import { entryQueries } from './entry-queries.ts';

interface ColleaguesProps {
  readonly id: string;
  /** The owner and admins choose who runs the workshop; co-instructors see it. */
  readonly mayChange: boolean;
}

export function Colleagues({ id, mayChange }: ColleaguesProps) {
  const { data: instructors = [] } = useQuery(entryQueries.instructors(id));
  const [email, setEmail] = useState('');
  const [removing, setRemoving] = useState<Colleague>();
  const { queryKey } = entryQueries.instructors(id);
  const add = useMutation({
    mutationFn: () => client.colleagues.add({ id, email: email.trim() }),
    onSuccess: ({ name }) => {
      setEmail('');
      toast(`${name} runs this workshop too.`);
    },
    onSettled: () => queryClient.invalidateQueries({ queryKey }),
  });
  const remove = useMutation({
    mutationFn: (userId: string) => client.colleagues.remove({ id, userId }),
    onError: toastError,
    onSettled: () => queryClient.invalidateQueries({ queryKey }),
  });
  const errors = formErrors(add.error, ['email'] as const);
  return (
    <section className="card side-card" aria-label="Instructors">
      <h2>Instructors</h2>
      <ul className="colleagues">
        {instructors.map((each) => (
          <li key={each.userId} className="row spread">
            <div className="colleague">
              <strong>{each.name}</strong>
              <div className="soft small-text">
                {each.email === '' ? '' : `${each.email} · `}
                {each.role}
              </div>
            </div>
            {mayChange && each.role === 'co-instructor' && (
              <IconButton
                icon={UserMinus}
                size="small"
                label={`Take ${each.name} off the workshop`}
                onClick={() => setRemoving(each)}
              />
            )}
          </li>
        ))}
      </ul>
      {mayChange && (
        <Form className="stack" busy={add.isPending} failure={add.error} onSubmit={() => add.mutate()}>
          <Field
            label="Add an instructor"
            type="email"
            placeholder="colleague@example.org"
            autoComplete="off"
            value={email}
            error={errors.fields.email}
            hint="They see and run this workshop like you, but cannot delete it."
            onChange={(event) => setEmail(event.target.value)}
          />
          {errors.other !== undefined && <Notice tone="bad">{errors.other}</Notice>}
          <SubmitButton busy={add.isPending} className="">
            Add
          </SubmitButton>
        </Form>
      )}
      <Confirm
        open={removing !== undefined}
        onOpenChange={(open) => !open && setRemoving(undefined)}
        title={`Take ${removing?.name ?? ''} off the workshop?`}
        action="Take off"
        onConfirm={() => removing && remove.mutate(removing.userId)}
      >
        They no longer see it. Nothing else changes, and you can add them again.
      </Confirm>
    </section>
  );
}
