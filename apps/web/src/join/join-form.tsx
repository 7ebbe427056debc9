import type { JoinInfo } from '@clarateach/contract/join';
import { ArrowRight, ChevronRight } from 'lucide-react';
import type { FormEvent } from 'react';
import { useState } from 'react';
import type { JoinRequest } from '../api/learner.ts';
import { Field } from '../ui/field.tsx';
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
  const [missing, setMissing] = useState(false);
  // Where newcomers need an access code, whoever comes to this form has a seat.
  const [disclosed, setDisclosed] = useState(info.entry !== 'open');
  const entering = useEnter(onEnter, onStale);
  const { busy, error, waitSeconds } = entering;
  const full = info.state === 'full';
  const returning = odehash.trim() !== '';
  // A seat that somebody holds may be ready while the free ones are not.
  const closed = info.state === 'stopped' || (info.state === 'starting' && !returning);
  const fieldError = (field: string) => (error?.field?.endsWith(field) ? error.message : undefined);

  const submit = (event: FormEvent) => {
    event.preventDefault();
    setMissing(name.trim() === '');
    if (name.trim() === '' || busy || waitSeconds > 0) return;
    try {
      localStorage.setItem(NAME_KEY, name.trim());
    } catch {
      // It is typed again next time.
    }
    void entering.enter({ code, name: name.trim(), ...(returning ? { odehash: odehash.trim() } : {}) });
  };

  return (
    <form className="stack" onSubmit={submit} noValidate>
      <WorkshopState info={info} />
      <Field
        label="Your name"
        className="large"
        name="name"
        autoComplete="nickname"
        maxLength={60}
        autoFocus
        value={name}
        error={
          missing && name.trim() === ''
            ? 'Type your name, so that the instructor knows who you are.'
            : fieldError('name')
        }
        hint="Your instructor sees it at your seat."
        onChange={(event) => setName(event.target.value)}
      />
      {/* An access code leads to the learner's seat by itself. */}
      <details
        className="disclosure"
        hidden={registration !== null}
        open={full || disclosed || fieldError('odehash') !== undefined}
        onToggle={(event) => setDisclosed(event.currentTarget.open)}
      >
        <summary>
          <ChevronRight size={16} aria-hidden /> I have a return code
        </summary>
        <Field
          label="Return code"
          className="code"
          autoComplete="off"
          autoCapitalize="characters"
          spellCheck={false}
          value={odehash}
          error={fieldError('odehash')}
          hint="The code you were given with your seat. It leads back to the same seat and files."
          onChange={(event) => setOdehash(event.target.value)}
        />
      </details>
      <EntryError entering={entering} />
      <button
        type="submit"
        className="button primary large"
        disabled={busy || waitSeconds > 0 || closed || (full && !returning)}
      >
        {busy || (closed && info.state === 'starting') ? <Spinner /> : null}
        {buttonText(info.state, returning)}
        {!busy && !closed && <ArrowRight size={18} aria-hidden />}
      </button>
    </form>
  );
}

function buttonText(state: JoinInfo['state'], returning: boolean): string {
  if (state === 'stopped') return 'Waiting for the start…';
  if (state === 'starting' && !returning) return 'Waiting for the seats…';
  return returning || state === 'full' ? 'Return to my seat' : 'Join workshop';
}
