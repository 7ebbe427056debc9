import { normalizeCode } from '@clarateach/contract/codes';
import { ArrowRight } from 'lucide-react';
import { useState } from 'react';
import { useNavigate } from 'react-router';
import { paths } from '../paths.ts';
import { Field } from '../ui/field.tsx';
import { PageForm } from '../ui/form.tsx';

interface CodeFormProps {
  readonly label: string;
  readonly hint: string;
  readonly typed?: string;
  /** What was wrong with the code that led here. */
  readonly error?: string | undefined;
  /** Why a code, without spaces and dashes, leads nowhere; undefined where the server has to say. */
  readonly refuse: (code: string) => string | undefined;
}

/** One field for the code by which somebody comes in, and the way on to its workshop. */
export function CodeForm({ label, hint, typed = '', error, refuse }: CodeFormProps) {
  const navigate = useNavigate();
  const [code, setCode] = useState(typed);
  const [refused, setRefused] = useState<{ readonly why: string }>();
  const submit = () => {
    const normal = normalizeCode(code);
    const why = refuse(normal);
    setRefused(why === undefined ? undefined : { why });
    if (why === undefined) navigate(paths.join(normal));
  };
  return (
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
        label={label}
        className="large code"
        autoComplete="off"
        autoCapitalize="characters"
        spellCheck={false}
        autoFocus
        value={code}
        error={refused?.why ?? error}
        hint={hint}
        onChange={(event) => setCode(event.target.value)}
      />
    </PageForm>
  );
}
