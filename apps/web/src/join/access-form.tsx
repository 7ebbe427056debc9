import { normalizeCode } from '@clarateach/contract/codes';
import type { JoinInfo } from '@clarateach/contract/join';
import { ArrowRight } from 'lucide-react';
import { useState } from 'react';
import { Link, useNavigate } from 'react-router';
import { paths } from '../paths.ts';
import { Field } from '../ui/field.tsx';
import { PageForm } from '../ui/form.tsx';
import { Notice } from '../ui/notice.tsx';

interface AccessFormProps {
  /** The join code, which opens this workshop to nobody by itself. */
  readonly code: string;
  readonly info: JoinInfo;
  readonly onReturnCode: () => void;
}

/** The way in where the join code is not enough. */
export function AccessForm({ code, info, onReturnCode }: AccessFormProps) {
  const [typed, setTyped] = useState('');
  const [error, setError] = useState<string>();
  const navigate = useNavigate();
  const [refused, setRefused] = useState(0);
  const submit = () => {
    setRefused(refused + 1);
    const normal = normalizeCode(typed);
    if (normal === '') setError('Type the access code you were given when you registered.');
    else if (normal === code) setError('This is the join code. Type your own access code.');
    else navigate(paths.join(normal));
  };
  return (
    <div className="stack">
      <Notice tone="busy">
        <strong>
          {info.entry === 'list'
            ? "This workshop is for people on the instructor's list."
            : 'This workshop is for registered learners.'}
        </strong>{' '}
        Come in with your personal access code.
      </Notice>
      <PageForm
        action={
          <>
            Continue <ArrowRight size={18} aria-hidden />
          </>
        }
        busy={false}
        failure={refused}
        problem={undefined}
        onSubmit={submit}
      >
        <Field
          label="Access code"
          className="large code"
          autoComplete="off"
          autoCapitalize="characters"
          spellCheck={false}
          autoFocus
          value={typed}
          error={error}
          hint="Ten letters and digits. Capitals, spaces and dashes do not matter."
          onChange={(event) => setTyped(event.target.value)}
        />
      </PageForm>
      <p className="small-text soft">
        {info.entry === 'list' ? (
          'You have no access code? Ask your instructor to put you on the list.'
        ) : (
          <>
            You have no access code? <Link to={paths.register(code)}>Register first</Link>
          </>
        )}
      </p>
      <button type="button" className="button quiet small" onClick={onReturnCode}>
        I have a seat already, and its return code
      </button>
    </div>
  );
}
