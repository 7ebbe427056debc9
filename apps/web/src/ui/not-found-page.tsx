import { Link } from 'react-router';
import { paths } from '../paths.ts';
import { Logo } from './logo.tsx';

export function NotFoundPage() {
  return (
    <main className="message-page">
      <div className="message-card card">
        <Logo size={40} />
        <h1>There is nothing here</h1>
        <p className="soft">
          The address may be mistyped, or what it led to was deleted. Learners come in with a join code.
        </p>
        <div className="row wrap">
          <Link className="button primary" to={paths.home()}>
            Go to the start page
          </Link>
          <Link className="button" to={paths.join()}>
            Join a workshop
          </Link>
        </div>
      </div>
    </main>
  );
}
