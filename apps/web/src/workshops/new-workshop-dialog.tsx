import { MAX_SEATS } from '@clarateach/contract/form-limits';
import type { WorkshopDetails } from '@clarateach/contract/workshop';
import { useMutation, useQuery } from '@tanstack/react-query';
import { useId } from 'react';
import { client } from '../api/client.ts';
import { queries, queryClient } from '../api/queries.ts';
import { EntryChoice } from '../entry/entry-choice.tsx';
import { Dialog } from '../ui/dialog.tsx';
import { Field } from '../ui/field.tsx';
import { DialogForm } from '../ui/form.tsx';
import { formErrors } from '../ui/form-errors.ts';
import { ApiKeyChoice } from './api-key-choice.tsx';
import { RuntimeChoice } from './runtime-choice.tsx';
import type { WorkshopForm } from './workshop-form.ts';
import { FORM_FIELDS, LIFETIMES, requestOf } from './workshop-form.ts';

interface NewWorkshopDialogProps {
  readonly open: boolean;
  readonly onOpenChange: (open: boolean) => void;
  readonly form: WorkshopForm;
  readonly onFormChange: (form: WorkshopForm) => void;
  readonly onCreated: (workshop: WorkshopDetails) => void;
}

export function NewWorkshopDialog(props: NewWorkshopDialogProps) {
  const { open, onOpenChange, form, onFormChange, onCreated } = props;
  const health = useQuery({ ...queries.health, enabled: open });
  const lifetimeId = useId();
  const startId = useId();
  const create = useMutation({
    mutationFn: () => client.workshops.create({ query: {}, body: requestOf(form) }),
    onSuccess: ({ body }) => {
      queryClient.setQueryData(queries.workshop(body.id).queryKey, body);
      onOpenChange(false);
      onCreated(body);
    },
  });
  const errors = formErrors(create.error, FORM_FIELDS);
  const set = (change: Partial<WorkshopForm>) => onFormChange({ ...form, ...change });

  return (
    <Dialog open={open} onOpenChange={onOpenChange} title="New workshop" width="wide">
      <DialogForm
        action={form.start ? 'Create and start' : 'Create workshop'}
        layout="form-grid"
        busy={create.isPending}
        failure={create.error}
        problem={errors.other}
        onCancel={() => onOpenChange(false)}
        onSubmit={() => create.mutate()}
      >
        <Field
          label="Name"
          placeholder="Claude CLI Basics"
          value={form.name}
          error={errors.fields.name}
          onChange={(event) => set({ name: event.target.value })}
        />
        <Field
          label="Seats"
          type="number"
          inputMode="numeric"
          min={1}
          max={MAX_SEATS}
          value={form.seats}
          error={errors.fields.seats}
          onChange={(event) => set({ seats: event.target.value })}
        />
        <div className="whole">
          <RuntimeChoice
            health={health.data}
            failed={health.isError}
            chosen={form.runtime}
            onChoose={(runtime) => set({ runtime })}
            error={errors.fields.runtime}
          />
        </div>
        <Field
          label="Join code"
          optional
          className="code"
          placeholder="Made up when empty"
          autoComplete="off"
          spellCheck={false}
          value={form.code}
          error={errors.fields.code}
          onChange={(event) => set({ code: event.target.value })}
        />
        <div className="field">
          <label htmlFor={lifetimeId}>Ends by itself after</label>
          <select
            id={lifetimeId}
            className="input"
            value={form.ttlMinutes}
            onChange={(event) => set({ ttlMinutes: Number(event.target.value) })}
          >
            {LIFETIMES.map(({ minutes, text }) => (
              <option key={minutes} value={minutes}>
                {text}
              </option>
            ))}
          </select>
        </div>
        <div className="whole">
          <Field
            label="API key for the AI assistant"
            optional
            type="password"
            autoComplete="off"
            value={form.apiKey}
            error={errors.fields.apiKey}
            onChange={(event) => set({ apiKey: event.target.value })}
            hint="Kept encrypted and never shown again."
          />
          {form.apiKey.trim() !== '' && (
            <ApiKeyChoice inject={form.injectApiKey} onChoose={(injectApiKey) => set({ injectApiKey })} />
          )}
        </div>
        <div className="whole">
          <EntryChoice chosen={form.entry} onChoose={(entry) => set({ entry })} />
        </div>
        <label className="check whole" htmlFor={startId}>
          <input
            id={startId}
            type="checkbox"
            checked={form.start}
            onChange={(event) => set({ start: event.target.checked })}
          />
          <span>
            Start the seats at once
            <span className="soft"> — otherwise start them from the workshop's page</span>
          </span>
        </label>
      </DialogForm>
    </Dialog>
  );
}
