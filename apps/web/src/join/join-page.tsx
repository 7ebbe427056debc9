import { normalizeCode } from '@clarateach/contract/codes';
import type { JoinInfo } from '@clarateach/contract/join';
import { useEffect, useState } from 'react';
import { Link, useNavigate, useParams } from 'react-router';
import { ApiError, messageOf } from '../api/api-error.ts';
import { type JoinRequest, joinInfo } from '../api/learner.ts';
import { paths } from '../paths.ts';
import { Logo } from '../ui/logo.tsx';
import { Notice } from '../ui/notice.tsx';
import { Waiting } from '../ui/spinner.tsx';
import { ThemeToggle } from '../ui/theme-toggle.tsx';
import { AccessForm } from './access-form.tsx';
import { browserSeats } from './browser-seats.ts';
import { CodeForm } from './code-form.tsx';
import { isNewInstead } from './is-new-instead.ts';
import { JoinForm } from './join-form.tsx';
import { NewSeat } from './new-seat.tsx';
import { NotAdmitted } from './not-admitted.tsx';
import type { SavedSeat } from './saved-seats.ts';
import { WelcomeBack } from './welcome-back.tsx';
import './join.css';

/** How often a page asks again, while what it shows can change without the learner. */
const POLL_MS = { open: 15_000, full: 10_000, starting: 2_000, stopped: 5_000 } as const;

export function JoinPage() {
  const { code } = useParams();
  return (
    <main className="message-page">
      <title>Join a workshop · ClaraTeach</title>
      <ThemeToggle className="corner" />
      <div className="message-card card join-card">
        <Logo size={40} />
        {code === undefined || normalizeCode(code) === '' ? (
          <AskForCode />
        ) : (
          <Workshop key={code} code={normalizeCode(code)} />
        )}
        <p className="soft small-text">
          Instructor? <Link to={paths.signIn()}>Sign in</Link>
        </p>
      </div>
    </main>
  );
}

const WHERE_FROM = 'Type the code that your instructor shows.';

function AskForCode({ typed = '', error }: { readonly typed?: string; readonly error?: string }) {
  return (
    <>
      <div>
        <h1>Join a workshop</h1>
        <p className="soft">{WHERE_FROM}</p>
      </div>
      <CodeForm
        label="Join code"
        hint="Capitals, spaces and dashes do not matter."
        typed={typed}
        error={error}
        refuse={(code) => (code === '' ? WHERE_FROM : undefined)}
      />
    </>
  );
}

interface Asked {
  readonly info?: JoinInfo;
  readonly error?: ApiError;
}

/** The state of a code, asked for again and again; what was known stays while the server does not answer. */
function useJoinInfo(code: string): Asked & { askAgain: () => void } {
  const [asked, setAsked] = useState<Asked>({});
  const [round, setRound] = useState(0);
  useEffect(() => {
    const leave = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const ask = async () => {
      let nextMs: number = POLL_MS.stopped;
      try {
        const info = await joinInfo(code, leave.signal);
        setAsked({ info });
        nextMs = info.registration?.state === 'waiting' ? POLL_MS.stopped : POLL_MS[info.state];
      } catch (error) {
        if (leave.signal.aborted) return;
        const known = error instanceof ApiError ? error : new ApiError('unknown', messageOf(error));
        setAsked(({ info }) => ({
          ...(info && known.code !== 'unknown_code' && known.code !== 'removed' ? { info } : {}),
          error: known,
        }));
        if (known.code === 'unknown_code' || known.code === 'invalid_input') return;
        nextMs = (known.retryAfterSeconds ?? 5) * 1000;
      }
      timer = setTimeout(() => void ask(), nextMs);
    };
    void ask();
    return () => {
      leave.abort();
      clearTimeout(timer);
    };
  }, [code, round]);
  return { ...asked, askAgain: () => setRound((before) => before + 1) };
}

function Workshop({ code }: { readonly code: string }) {
  const { info, error, askAgain } = useJoinInfo(code);
  const navigate = useNavigate();
  const [stranger, setStranger] = useState(false);
  const [newSeat, setNewSeat] = useState<SavedSeat>();
  const [hasReturnCode, setHasReturnCode] = useState(false);

  useEffect(() => {
    // While the learner types a name, the workspace's code comes in.
    void import('../workspace/workspace-page.tsx');
  }, []);

  if (!info) {
    if (error?.code === 'unknown_code' || error?.code === 'invalid_input') {
      return (
        <AskForCode
          typed={code}
          error="No workshop has this code. Compare it with what your instructor shows."
        />
      );
    }
    return error ? <Notice tone="bad">{error.message}</Notice> : <Waiting label="Looking up the workshop…" />;
  }

  const open = ({ session }: SavedSeat) => navigate(paths.workspace(session.workshop.id));
  const enter = (seat: SavedSeat, request: JoinRequest) => {
    browserSeats.save(seat);
    if (isNewInstead(seat.session, request)) setNewSeat(seat);
    else open(seat);
  };
  const saved = browserSeats.find(info.workshop.id);
  return (
    <>
      <div>
        <p className="soft">You are joining</p>
        <h1>{info.workshop.name}</h1>
      </div>
      {error && <Notice tone="warn">{error.message}</Notice>}
      {newSeat ? (
        <NewSeat
          seat={newSeat}
          onOpen={() => open(newSeat)}
          onTypeAgain={() => {
            setNewSeat(undefined);
            setStranger(true);
          }}
        />
      ) : saved && !stranger ? (
        <WelcomeBack saved={saved} info={info} onEnter={enter} onStranger={() => setStranger(true)} />
      ) : info.entry !== 'open' && !info.registration && !hasReturnCode ? (
        <AccessForm code={code} info={info} onReturnCode={() => setHasReturnCode(true)} />
      ) : info.registration && !info.registration.admitted ? (
        <NotAdmitted info={info} registration={info.registration} />
      ) : (
        <JoinForm code={code} info={info} onEnter={enter} onStale={askAgain} />
      )}
    </>
  );
}
