import type { RegistrationList } from '@clarateach/contract/entry';
import { useMutation } from '@tanstack/react-query';
import { useState } from 'react';
import { client } from '../api/client.ts';
import { queries, queryClient } from '../api/queries.ts';
import { CopyButton } from '../ui/copy-button.tsx';
import { Dialog } from '../ui/dialog.tsx';
import { Field } from '../ui/field.tsx';
import { DialogForm } from '../ui/form.tsx';
import { formErrors } from '../ui/form-errors.ts';
import { toast } from '../ui/toast.ts';
import { ENTRY, EntryChoice } from './entry-choice.tsx';
import { showRegistrations } from './entry-queries.ts';
import { type DraftQuestion, Questions } from './questions.tsx';

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
  const at = (index: number) => `questions.${index}.label` as const;
  const errors = formErrors(save.error, [
    'registrationCap',
    'questions',
    ...questions.map((_, index) => at(index)),
  ] as const);
  const changeQuestions = (changed: readonly DraftQuestion[]) => {
    // The server named questions by their places, which are others now.
    if (changed.length < questions.length) save.reset();
    setQuestions(changed);
  };

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
        <Questions
          questions={questions}
          onChange={changeQuestions}
          error={errors.fields.questions}
          errorOf={(index) => errors.fields[at(index)]}
        />
      </DialogForm>
    </Dialog>
  );
}
