import type { Question, RegistrationList } from '@clarateach/contract/entry';
import { useMutation } from '@tanstack/react-query';
import { Plus, Trash2 } from 'lucide-react';
import { useState } from 'react';
import { client } from '../api/client.ts';
import { queries, queryClient } from '../api/queries.ts';
import { CopyButton } from '../ui/copy-button.tsx';
import { Dialog } from '../ui/dialog.tsx';
import { Field, FieldError } from '../ui/field.tsx';
import { DialogForm } from '../ui/form.tsx';
import { formErrors } from '../ui/form-errors.ts';
import { IconButton } from '../ui/icon-button.tsx';
import { toast } from '../ui/toast.ts';
import { ENTRY, EntryChoice } from './entry-choice.tsx';
import { showRegistrations } from './entry-queries.ts';

interface EntrySettingsProps {
  readonly id: string;
  readonly list: RegistrationList;
}

/** How learners come in, at a glance; a dialog changes it. */
export function EntrySettingsCard({ id, list }: EntrySettingsProps) {
  const { settings, registerUrl } = list;
  const [open, setOpen] = useState(false);
  const { title, text, icon: Icon } = ENTRY[settings.entry];
  return (
    <section className="card side-card" aria-label="Entry">
      <div className="row spread">
        <h2>Entry</h2>
        <button type="button" className="button small" onClick={() => setOpen(true)}>
          Change…
        </button>
      </div>
      <div className="entry-now">
        <Icon size={20} aria-hidden />
        <div>
          <strong>{title}</strong>
          <div className="soft small-text">{text}</div>
        </div>
      </div>
      {settings.entry === 'list' ? (
        <p className="soft small-text">
          Nobody registers by themselves. Import your list and give each person their access code.
        </p>
      ) : (
        <div>
          <p className="field-label">Registration page</p>
          <div className="row join-link">
            <a href={registerUrl} target="_blank" rel="noreferrer">
              {registerUrl.replace(/^https?:\/\//, '')}
            </a>
            <CopyButton text={registerUrl} what="registration link" />
          </div>
          <p className="soft small-text">Share it ahead of the class; it works before the start.</p>
        </div>
      )}
      <dl className="room-facts">
        <div>
          <dt>Places</dt>
          <dd>{settings.registrationCap ?? 'no limit'}</dd>
        </div>
        <div>
          <dt>Questions</dt>
          <dd>{settings.questions.length === 0 ? 'none' : settings.questions.length}</dd>
        </div>
      </dl>
      {open && <SettingsDialog id={id} list={list} onClose={() => setOpen(false)} />}
    </section>
  );
}

/** A question with a key of its own, so that what is typed stays with it when another is removed. */
interface DraftQuestion extends Question {
  readonly key: number;
}

function SettingsDialog({ id, list, onClose }: EntrySettingsProps & { readonly onClose: () => void }) {
  const [entry, setEntry] = useState(list.settings.entry);
  const [cap, setCap] = useState(String(list.settings.registrationCap ?? ''));
  const [questions, setQuestions] = useState<readonly DraftQuestion[]>(
    list.settings.questions.map((question, key) => ({ ...question, key })),
  );
  const save = useMutation({
    mutationFn: () =>
      client.entry.configure({
        id,
        entry,
        // Not a number becomes 0, which the server answers with the bounds.
        registrationCap: cap.trim() === '' ? null : Number.parseInt(cap, 10) || 0,
        questions: questions.map(({ label, required }) => ({ label, required })),
      }),
    onSuccess: (answer) => {
      showRegistrations(id, answer);
      void queryClient.invalidateQueries({ queryKey: queries.workshop(id).queryKey, exact: true });
      toast('The entry is changed.');
      onClose();
    },
  });
  const errors = formErrors(save.error, ['registrationCap', 'questions'] as const);
  const change = (key: number, values: Partial<Question>) =>
    setQuestions(questions.map((each) => (each.key === key ? { ...each, ...values } : each)));
  const nextKey = Math.max(-1, ...questions.map(({ key }) => key)) + 1;

  return (
    <Dialog open onOpenChange={(next) => !next && onClose()} title="Entry" width="wide">
      <DialogForm
        action="Save"
        busy={save.isPending}
        failure={save.error}
        problem={errors.other}
        onCancel={onClose}
        onSubmit={() => save.mutate()}
      >
        <EntryChoice chosen={entry} onChoose={setEntry} />
        <Field
          label="Places"
          optional
          type="number"
          inputMode="numeric"
          min={1}
          placeholder="No limit"
          value={cap}
          error={errors.fields.registrationCap}
          hint="Who registers beyond is put on a waiting list, which moves up by itself. A lower number takes nobody's place away."
          onChange={(event) => setCap(event.target.value)}
        />
        <fieldset className="questions">
          <legend className="field-label">Questions for whoever registers</legend>
          {questions.map(({ key, label, required }, index) => (
            <div className="row" key={key}>
              <input
                className="input"
                aria-label={`Question ${index + 1}`}
                placeholder="Your team"
                maxLength={100}
                value={label}
                onChange={(event) => change(key, { label: event.target.value })}
              />
              <label className="check">
                <input
                  type="checkbox"
                  checked={required}
                  onChange={(event) => change(key, { required: event.target.checked })}
                />
                <span>required</span>
              </label>
              <IconButton
                icon={Trash2}
                label={`Remove question ${index + 1}`}
                onClick={() => setQuestions(questions.filter((each) => each.key !== key))}
              />
            </div>
          ))}
          <FieldError error={errors.fields.questions} />
          <button
            type="button"
            className="button small"
            disabled={questions.length >= 10}
            onClick={() => setQuestions([...questions, { key: nextKey, label: '', required: false }])}
          >
            <Plus size={15} aria-hidden /> Add a question
          </button>
        </fieldset>
      </DialogForm>
    </Dialog>
  );
}
