import { spacedAccessCode } from '@clarateach/contract/codes';
import { ArrowRight } from 'lucide-react';
import { useState } from 'react';
import { useNavigate } from 'react-router';
import { ApiError } from '../api/api-error.ts';
import { cancelRegistration, joinInfo } from '../api/learner.ts';
import { useAsked } from '../api/use-asked.ts';
import { paths } from '../paths.ts';
import { CopyButton } from '../ui/copy-button.tsx';
import { Confirm } from '../ui/dialog.tsx';
import { Notice } from '../ui/notice.tsx';
import { toast, toastError } from '../ui/toast.ts';
import type { SavedRegistration } from './saved-registrations.ts';

const POLL_MS = 5_000;

interface RegisteredProps {
  readonly saved: SavedRegistration;
  readonly mailed: boolean;
  /** This browser is to register somebody else, or the same person anew. */
  readonly onForget: () => void;
}

/** The access code, and whether there is a place for whoever has it. */
export function Registered({ saved, mailed, onForget }: RegisteredProps) {
  const { accessCode, name } = saved;
  const { data: info, error } = useAsked((signal) => joinInfo(accessCode, signal), POLL_MS);
  const [asking, setAsking] = useState(false);
  const navigate = useNavigate();
  const registration = info?.registration;

  const giveUp = async () => {
    try {
      await cancelRegistration(accessCode);
      toast('Your registration is cancelled.');
      onForget();
    } catch (caught) {
      toastError(caught);
    }
  };

  if (error instanceof ApiError && error.code === 'unknown_code') {
    return (
      <>
        <Notice tone="warn">
          <strong>This access code is good no longer.</strong> Your instructor has given you a new one, or
          taken the registration away. Ask them.
        </Notice>
        <button type="button" className="button" onClick={onForget}>
          Register anew
        </button>
      </>
    );
  }
  if (registration?.state === 'cancelled') {
    return (
      <>
        <Notice tone="warn">
          <strong>Your registration was cancelled.</strong> If that is a mistake, talk to your instructor.
        </Notice>
        <button type="button" className="button" onClick={onForget}>
          Register again
        </button>
      </>
    );
  }
  const waiting = registration?.state === 'waiting';
  return (
    <div className="stack">
      {waiting ? (
        <Notice tone="warn">
          <strong>You are number {registration.place} on the waiting list.</strong> You move up by yourself
          when a place becomes free. This page says so; keep your code for then.
        </Notice>
      ) : (
        <Notice tone="good">
          <strong>You are registered, {name}.</strong> Come in with this code when the workshop starts.
        </Notice>
      )}
      <div className="access-code">
        <div className="row spread">
          <h2>Your access code</h2>
          <CopyButton text={spacedAccessCode(accessCode)} what="access code">
            Copy
          </CopyButton>
        </div>
        <p className="access-code-letters">{spacedAccessCode(accessCode)}</p>
        <p className="soft small-text">
          {mailed ? 'It was sent to your e-mail address too. ' : 'Write it down or copy it. '}
          It leads always to the same seat, from any browser. Keep it to yourself.
        </p>
      </div>
      {!waiting && (
        <button
          type="button"
          className="button primary large"
          onClick={() => navigate(paths.join(accessCode))}
        >
          Go to the workshop <ArrowRight size={18} aria-hidden />
        </button>
      )}
      <div className="row wrap spread">
        <button type="button" className="button quiet small" onClick={onForget}>
          Register somebody else
        </button>
        <button type="button" className="button quiet small" onClick={() => setAsking(true)}>
          {waiting ? 'Leave the waiting list…' : 'Give up my place…'}
        </button>
      </div>
      <Confirm
        open={asking}
        onOpenChange={setAsking}
        title={waiting ? 'Leave the waiting list?' : 'Give up your place?'}
        action={waiting ? 'Leave the list' : 'Give it up'}
        onConfirm={() => void giveUp()}
      >
        Your access code stops working, and the next person moves up. You can register again, at the end of
        the list.
      </Confirm>
    </div>
  );
}
