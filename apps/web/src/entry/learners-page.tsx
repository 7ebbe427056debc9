import type { Account } from '@clarateach/contract/account';
import { useQuery } from '@tanstack/react-query';
import { ChevronLeft } from 'lucide-react';
import { Link, useParams } from 'react-router';
import { ApiError } from '../api/api-error.ts';
import { queries } from '../api/queries.ts';
import { paths } from '../paths.ts';
import { InstructorPage, SignedIn } from '../shell/instructor-page.tsx';
import { ErrorPage } from '../ui/error-page.tsx';
import { NotFoundPage } from '../ui/not-found-page.tsx';
import { Notice } from '../ui/notice.tsx';
import { Waiting } from '../ui/spinner.tsx';
import { Colleagues } from './colleagues.tsx';
import { entryQueries } from './entry-queries.ts';
import { EntrySettingsCard } from './entry-settings.tsx';
import { Registrations } from './registrations.tsx';
import '../workshops/workshops.css';
import './entry.css';

/** Who registered, who came, who may come in, and who runs the workshop. */
export function LearnersPage() {
  const { id = '' } = useParams();
  return <SignedIn>{(account) => <Learners account={account} id={id} />}</SignedIn>;
}

function Learners({ account, id }: { readonly account: Account; readonly id: string }) {
  const workshop = useQuery(queries.workshop(id));
  const list = useQuery(entryQueries.registrations(id));
  const error = workshop.error ?? list.error;
  if (error instanceof ApiError && (error.code === 'not_found' || error.code === 'invalid_input')) {
    return <NotFoundPage />;
  }
  if (!workshop.data || !list.data) {
    if (!error) return <Waiting label="Loading the learners…" />;
    const failed = [workshop, list].filter((query) => query.error);
    return <ErrorPage error={error} onRetry={() => failed.forEach((query) => void query.refetch())} />;
  }
  const { name } = workshop.data;
  return (
    <InstructorPage title={`Learners of ${name}`} account={account}>
      <div className="stack page-stack">
        <div>
          <Link className="back-link" to={paths.workshop(id)}>
            <ChevronLeft size={16} aria-hidden /> {name}
          </Link>
          <h1>Learners and entry</h1>
        </div>
        {list.error && (
          <Notice tone="warn">
            The list may be out of date: the server does not answer. It is tried again by itself.
          </Notice>
        )}
        <div className="entry-columns">
          <Registrations id={id} list={list.data} />
          <div className="stack">
            <EntrySettingsCard id={id} list={list.data} />
            <Colleagues
              id={id}
              mayChange={account.id === workshop.data.ownerId || account.role === 'admin'}
            />
          </div>
        </div>
      </div>
    </InstructorPage>
  );
}
