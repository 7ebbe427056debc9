import { QueryClientProvider } from '@tanstack/react-query';
import { ArrowLeft } from 'lucide-react';
import type { ReactNode } from 'react';
import { Link } from 'react-router';
import { queryClient } from '../api/queries.ts';
import { paths } from '../paths.ts';
import { Logo } from '../ui/logo.tsx';
import { ThemeToggle } from '../ui/theme-toggle.tsx';

interface EntryPageProps {
  readonly title: string;
  readonly lead?: ReactNode;
  /** Where the link at the foot leads; the start page. */
  readonly back?: { readonly to: string; readonly label: string };
  readonly children: ReactNode;
}

/** The frame of the pages for people who are not signed in yet. */
export function EntryPage({ title, lead, back, children }: EntryPageProps) {
  const { to, label } = back ?? { to: paths.home(), label: 'Start page' };
  return (
    <QueryClientProvider client={queryClient}>
      <main className="message-page">
        <title>{`${title} · ClaraTeach`}</title>
        <ThemeToggle className="corner" />
        <div className="message-card card">
          <Logo size={40} />
          <div>
            <h1>{title}</h1>
            {lead !== undefined && <p className="soft">{lead}</p>}
          </div>
          {children}
          <Link className="row small-text" to={to}>
            <ArrowLeft size={16} aria-hidden /> {label}
          </Link>
        </div>
      </main>
    </QueryClientProvider>
  );
}

/** What is said once a mail was asked for: the same for every address. */
export function MailAsked({ email, onAgain }: { readonly email: string; readonly onAgain: () => void }) {
  return (
    <div className="stack" role="status">
      <p>
        If <strong className="break">{email}</strong> can be used here, a mail with a link is on its way. The
        link works once.
      </p>
      <p className="soft small-text">
        Nothing after a few minutes? Look in the spam folder, or check the address.
      </p>
      <button type="button" className="button" onClick={onAgain}>
        Use another address
      </button>
    </div>
  );
}
