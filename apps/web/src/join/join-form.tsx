import type { JoinInfo } from '@clarateach/contract/join';
import { ArrowRight, ChevronRight } from 'lucide-react';
import { useState } from 'react';
import type { JoinRequest } from '../api/learner.ts';
import { Field } from '../ui/field.tsx';
import { Form } from '../ui/form.tsx';
import { formErrors } from '../ui/form-errors.ts';
import { Spinner } from '../ui/spinner.tsx';
import { EntryError } from './entry-error.tsx';
import type { SavedSeat } from './saved-seats.ts';
import { useEnter } from './use-enter.ts';
import { WorkshopState } from './workshop-state.tsx';

interface JoinFormProps {
  readonly code: string;
  readonly info: JoinInfo;
  readonly onEnter: (seat: SavedSeat, request: JoinRequest) => void;
  /** What the page knows of the workshop is out of date. */
  readonly onStale: () => void;
}

const NAME_KEY = 'clarateach.name';

function rememberedName(): string {
  try {
    return localStorage.getItem(NAME_KEY) ?? '';
  } catch {
    return '';
  }
}

export function JoinForm({ code, info, onEnter, onStale }: JoinFormProps) {
  const { registration } = info;
  const [name, setName] = useState(() => registration?.name ?? rememberedName());
  const [odehash, setOdehash] = useState('');
  /** What the learner chose; until then the page decides, anew with each answer of the server. */
  const [disclosed, setDisclosed] = useState<boolean>();
  const entering = useEnter(onEnter, onStale);
  const { busy, error, waitSeconds } = entering;
  const full = info.state === 'full';
  const returning = odehash.trim() !== '';
  // A seat that somebody holds may be ready while the free ones are not.
  const closed = info.state === 'stopped' || (info.state === 'starting' && !returning);
  const errors = formErrors(error, ['name', 'odehash'] as const);

  // Where newcomers need an access code, whoever comes to this form has a seat.
  const needed = full || info.entry !== 'open';
  const wrongCode = errors.fields.odehash;

  const submit = () => {
    if (waitSeconds > 0) return;
    try {
      localStorage.setItem(NAME_KEY, name.trim());
    } catch {
      // It is typed again next time.
    }
    void entering.enter({ code, name: name.trim(), ...(returning ? { odehash: odehash.trim() } : {}) });
  };

  return (
    <Form className="stack" busy={busy} failure={error} onSubmit={submit}>
      <WorkshopState info={info} />
      <Field
        label="Your name"
        className="large"
        name="name"
        autoComplete="nickname"
        maxLength={60}
        autoFocus
        value={name}
        error={errors.fields.name}
        hint="Your instructor sees it at your seat."
        onChange={(event) => setName(event.target.value)}
      />
      {/* An access code leads to the learner's seat by itself. */}
      <details
        className="disclosure"
        hidden={registration !== null}
        open={wrongCode !== undefined || (disclosed ?? needed)}
      >
        {/* Not told by its toggle event: that comes late, and of changes that the page makes, too. */}
        {/* biome-ignore lint/a11y/noStaticElementInteractions: a summary is a button, by keyboard too */}
        <summary
          onClick={(event) => {
            event.preventDefault();
            setDisclosed(!(disclosed ?? needed));
          }}
        >
          <ChevronRight size={16} aria-hidden /> I have a return code
        </summary>
        <Field
          label="Return code"
          className="code"
          autoComplete="off"
          autoCapitalize="characters"
          spellCheck={false}
          value={odehash}
          error={wrongCode}
          hint="The code you were given with your seat. It leads back to the same seat and files."
          onChange={(event) => setOdehash(event.target.value)}
        />
      </details>
      {errors.other !== undefined && <EntryError entering={entering} />}
      <button
        type="submit"
        className="button primary large"
        disabled={busy || waitSeconds > 0 || closed || (full && !returning)}
      >
        {busy || (closed && info.state === 'starting') ? <Spinner /> : null}
        {buttonText(info.state, returning)}
        {!busy && !closed && <ArrowRight size={18} aria-hidden />}
      </button>
    </Form>
  );
}

function buttonText(state: JoinInfo['state'], returning: boolean): string {
  if (state === 'stopped') return 'Waiting for the start…';
  if (state === 'starting' && !returning) return 'Waiting for the seats…';
  return returning || state === 'full' ? 'Return to my seat' : 'Join workshop';
}
