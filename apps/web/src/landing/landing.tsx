import { ArrowRight, LogIn } from 'lucide-react';
import type { FormEvent } from 'react';
import { useState } from 'react';
import { Link, useNavigate } from 'react-router';
import { paths } from '../paths.ts';
import { Field } from '../ui/field.tsx';
import { Logo } from '../ui/logo.tsx';
import { ThemeToggle } from '../ui/theme-toggle.tsx';
import './landing.css';

export function Landing() {
  const navigate = useNavigate();
  const [code, setCode] = useState('');
  const submit = (event: FormEvent) => {
    event.preventDefault();
    const typed = code.trim();
    navigate(typed === '' ? paths.join() : paths.join(typed));
  };
  return (
    <div className="landing">
      <title>ClaraTeach</title>
      <header className="topbar plain">
        <span className="brand">
          <Logo />
          <span>ClaraTeach</span>
        </span>
        <div className="row">
          <ThemeToggle />
          <Link className="button quiet" to={paths.signIn()}>
            <LogIn size={17} aria-hidden /> Sign in
          </Link>
        </div>
      </header>
      <main className="landing-main">
        <div className="landing-words">
          <h1>One code, and everyone has a computer that works.</h1>
          <p>
            A terminal, an editor and an AI coding assistant for every seat in the room. Nothing to install,
            no account to make.
          </p>
          <form className="landing-form card" onSubmit={submit}>
            <h2>Join a workshop</h2>
            <Field
              label="Join code"
              className="large code"
              placeholder="From your instructor"
              autoComplete="off"
              autoCapitalize="characters"
              spellCheck={false}
              value={code}
              onChange={(event) => setCode(event.target.value)}
            />
            <button type="submit" className="button primary large">
              Continue <ArrowRight size={18} aria-hidden />
            </button>
          </form>
          <p className="soft">
            You give workshops? <Link to={paths.signIn()}>Sign in as an instructor</Link>
          </p>
        </div>
        <Illustration />
      </main>
    </div>
  );
}

/** A seat as learners see it, drawn rather than photographed. */
function Illustration() {
  return (
    <div className="landing-art" aria-hidden="true">
      <div className="art-window">
        <div className="art-bar">
          <i />
          <i />
          <i />
          <span>Seat 3 · Ada</span>
        </div>
        <div className="art-body">
          <div className="art-files">
            <b>src</b>
            <span>app.py</span>
            <span className="on">hello.py</span>
            <span>README.md</span>
          </div>
          <pre>
            <em>def</em> <u>greet</u>(name):{'\n'}
            {'    '}
            <em>return</em>{' '}
            <q>
              f"Hello, {'{'}name{'}'}!"
            </q>
            {'\n\n'}
            <u>print</u>(<u>greet</u>(<q>"world"</q>))
          </pre>
        </div>
        <div className="art-terminal">
          <span className="prompt">learner@seat-3</span>:~$ python3 hello.py{'\n'}Hello, world!{'\n'}
          <span className="prompt">learner@seat-3</span>:~$ <span className="art-cursor" />
        </div>
      </div>
    </div>
  );
}
