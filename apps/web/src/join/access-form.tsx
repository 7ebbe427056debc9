import type { JoinInfo } from '@clarateach/contract/join';
import { Link } from 'react-router';
import { paths } from '../paths.ts';
import { Notice } from '../ui/notice.tsx';
import { CodeForm } from './code-form.tsx';

interface AccessFormProps {
  /** The join code, which opens this workshop to nobody by itself. */
  readonly code: string;
  readonly info: JoinInfo;
  readonly onReturnCode: () => void;
}

/** The way in where the join code is not enough. */
export function AccessForm({ code, info, onReturnCode }: AccessFormProps) {
  const refuse = (typed: string) => {
    if (typed === '') return 'Type the access code you were given when you registered.';
    return typed === code ? 'This is the join code. Type your own access code.' : undefined;
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
      <CodeForm
        label="Access code"
        hint="Ten letters and digits. Capitals, spaces and dashes do not matter."
        refuse={refuse}
      />
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
