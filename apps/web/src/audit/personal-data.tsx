import type { DataSubject } from '@clarateach/contract/audit';
import { useMutation } from '@tanstack/react-query';
import { Download, Trash2 } from 'lucide-react';
import { useId, useState } from 'react';
import { client } from '../api/client.ts';
import { queryClient } from '../api/queries.ts';
import { counted } from '../ui/counted.ts';
import { Confirm, Dialog } from '../ui/dialog.tsx';
import { Field } from '../ui/field.tsx';
import { Form, SubmitButton } from '../ui/form.tsx';
import { formErrors } from '../ui/form-errors.ts';
import { Notice } from '../ui/notice.tsx';
import { Spinner } from '../ui/spinner.tsx';
import { toast } from '../ui/toast.ts';

const KINDS = {
  'return-code': 'A learner, by return code',
  learner: 'A learner, by name in a workshop',
  account: 'Somebody with an account',
} as const satisfies Record<DataSubject['kind'], string>;

const FIELDS = ['subject.odehash', 'subject.workshopId', 'subject.name', 'subject.email'] as const;

interface PersonalDataProps {
  readonly open: boolean;
  readonly onOpenChange: (open: boolean) => void;
}

/** Gives out what is kept of a person, or deletes it. */
export function PersonalData({ open, onOpenChange }: PersonalDataProps) {
  const id = useId();
  const [kind, setKind] = useState<DataSubject['kind']>('return-code');
  const [odehash, setOdehash] = useState('');
  const [workshopId, setWorkshopId] = useState('');
  const [name, setName] = useState('');
  const [email, setEmail] = useState('');
  const [deleting, setDeleting] = useState(false);

  // The server judges what was typed, and names the field that is wrong.
  const subject = (): DataSubject => ({ kind, odehash, workshopId, name, email }) as unknown as DataSubject;
  const give = useMutation({
    mutationFn: () => client.admin.exportData({ subject: subject() }),
    onSuccess: (data) => save(JSON.stringify(data, null, 2)),
  });
  const remove = useMutation({
    mutationFn: () => client.admin.deleteData({ subject: subject(), confirm: true }),
    onSuccess: ({ deleted }) => {
      const records = Object.values(deleted).reduce((sum, count) => sum + count, 0);
      toast(`Deleted: ${counted(records, 'record')} of this person.`);
      onOpenChange(false);
    },
    onSettled: () => queryClient.invalidateQueries({ queryKey: ['audit'] }),
  });
  const errors = formErrors(give.error ?? remove.error, FIELDS);
  const busy = give.isPending || remove.isPending;
  const begin = (work: () => void) => {
    give.reset();
    remove.reset();
    work();
  };
  return (
    <Dialog
      open={open}
      onOpenChange={onOpenChange}
      title="A person’s data"
      description="Everything that this installation keeps of somebody, without secrets: to hand it out, or to delete it."
    >
      <Form busy={busy} failure={give.error ?? remove.error} onSubmit={() => begin(() => give.mutate())}>
        <div className="dialog-body stack">
          <div className="field">
            <label htmlFor={id}>Whose</label>
            <select
              id={id}
              className="input"
              value={kind}
              onChange={(event) => begin(() => setKind(event.target.value as DataSubject['kind']))}
            >
              {Object.entries(KINDS).map(([value, text]) => (
                <option key={value} value={value}>
                  {text}
                </option>
              ))}
            </select>
          </div>
          {kind === 'return-code' && (
            <Field
              label="Return code"
              autoComplete="off"
              spellCheck={false}
              value={odehash}
              error={errors.fields['subject.odehash']}
              hint="It stands at the bottom of the learner’s workspace."
              onChange={(event) => setOdehash(event.target.value)}
            />
          )}
          {kind === 'learner' && (
            <>
              <Field
                label="Workshop"
                placeholder="ws-abcd2345"
                spellCheck={false}
                value={workshopId}
                error={errors.fields['subject.workshopId']}
                hint="Its id, as in the address of its page."
                onChange={(event) => setWorkshopId(event.target.value.trim())}
              />
              <Field
                label="Name"
                value={name}
                error={errors.fields['subject.name']}
                hint="As they joined. Everybody of that name in the workshop is meant."
                onChange={(event) => setName(event.target.value)}
              />
            </>
          )}
          {kind === 'account' && (
            <Field
              label="E-mail address"
              type="email"
              value={email}
              error={errors.fields['subject.email']}
              onChange={(event) => setEmail(event.target.value)}
            />
          )}
          {errors.other !== undefined && <Notice tone="bad">{errors.other}</Notice>}
        </div>
        <div className="dialog-foot">
          <button
            type="button"
            className="button danger"
            disabled={busy}
            onClick={() => begin(() => setDeleting(true))}
          >
            {remove.isPending ? <Spinner /> : <Trash2 size={16} aria-hidden />} Delete…
          </button>
          <SubmitButton busy={busy}>
            {!busy && <Download size={17} aria-hidden />} Export as JSON
          </SubmitButton>
        </div>
      </Form>
      <Confirm
        open={deleting}
        onOpenChange={setDeleting}
        title="Delete this person’s data?"
        action="Delete for good"
        onConfirm={() => remove.mutate()}
      >
        {kind === 'account'
          ? 'The account, its sessions, its API tokens and its workshops are deleted, with all seats and files in them.'
          : 'The learner’s seat is emptied, and all files in it are lost.'}{' '}
        Lines of the audit log stay, without the name. <strong>This cannot be undone.</strong>
      </Confirm>
    </Dialog>
  );
}

/** Hands a file to the browser's downloads. */
function save(text: string): void {
  const url = URL.createObjectURL(new Blob([text], { type: 'application/json' }));
  const link = document.createElement('a');
  link.href = url;
  link.download = `clarateach-data-${new Date().toISOString().slice(0, 10)}.json`;
  link.click();
  URL.revokeObjectURL(url);
}
