import { normalizeCode } from '@clarateach/contract/codes';
import { useState } from 'react';
import { Link, useParams } from 'react-router';
import { registerInfo } from '../api/learner.ts';
import { useAsked } from '../api/use-asked.ts';
import { paths } from '../paths.ts';
import { Notice } from '../ui/notice.tsx';
import { Waiting } from '../ui/spinner.tsx';
import { LearnerCard } from './learner-card.tsx';
import { RegisterForm } from './register-form.tsx';
import { Registered } from './registered.tsx';
import { forgetRegistration, savedRegistration, saveRegistration } from './saved-registrations.ts';
import '../join/join.css';
import './register.css';

/** Where learners register ahead of the class, and find their access code again. */
export function RegisterPage() {
  const { code = '' } = useParams();
  return (
    <LearnerCard title="Register">
      <Registration key={code} code={normalizeCode(code)} />
    </LearnerCard>
  );
}

function Registration({ code }: { readonly code: string }) {
  const { data: info, error } = useAsked((signal) => registerInfo(code, signal));
  const [mailed, setMailed] = useState(false);
  const [, setChanges] = useState(0);
  const changed = () => setChanges((before) => before + 1);
  if (!info) {
    if (!error) return <Waiting label="Looking up the workshop…" />;
    return (
      <>
        <h1>Register</h1>
        <Notice tone="bad">
          {error.code === 'unknown_code' || error.code === 'invalid_input'
            ? 'No workshop has this link. Compare it with what your instructor sent you.'
            : error.message}
        </Notice>
      </>
    );
  }
  const { workshop } = info;
  const saved = savedRegistration(workshop.id);
  return (
    <>
      <div>
        <p className="soft">{saved ? 'Your registration for' : 'Register for'}</p>
        <h1>{workshop.name}</h1>
      </div>
      {saved ? (
        <Registered
          saved={saved}
          mailed={mailed}
          onForget={() => {
            forgetRegistration(workshop.id);
            setMailed(false);
            changed();
          }}
        />
      ) : info.entry === 'list' ? (
        <Notice tone="busy">
          <strong>This workshop is by invitation.</strong> Only people on the instructor's list take part. Ask
          them to add you; you then get an access code.
        </Notice>
      ) : (
        <RegisterForm
          code={code}
          info={info}
          onRegistered={(registration) => {
            saveRegistration(workshop.id, registration);
            setMailed(registration.mailed);
            changed();
          }}
        />
      )}
      {!saved && (
        <p className="soft small-text">
          You have an access code? <Link to={paths.join()}>Join with it</Link>
        </p>
      )}
    </>
  );
}
