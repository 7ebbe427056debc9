import type { WorkerView } from '@clarateach/contract/health';
import { useQuery } from '@tanstack/react-query';
import { Server } from 'lucide-react';
import { queries } from '../api/queries.ts';
import { InstructorPage, SignedIn } from '../shell/instructor-page.tsx';
import { ErrorPage } from '../ui/error-page.tsx';
import { NotFoundPage } from '../ui/not-found-page.tsx';
import { Notice } from '../ui/notice.tsx';
import { WorkerCard } from './worker-card.tsx';
import { bySituation } from './worker-state.ts';
import './workers.css';

/** The operator's machines; for admins. */
export function WorkersPage() {
  return (
    <SignedIn>
      {(account) =>
        account.role === 'admin' ? (
          <InstructorPage title="Workers" account={account}>
            <Workers />
          </InstructorPage>
        ) : (
          <NotFoundPage />
        )
      }
    </SignedIn>
  );
}

function Workers() {
  const { data: workers, error, refetch } = useQuery(queries.workers);
  if (error && !workers) return <ErrorPage error={error} onRetry={() => void refetch()} />;
  return (
    <div className="stack page-stack">
      <div>
        <h1>Workers</h1>
        <p className="soft">The machines that run the seats. Each is asked once a second.</p>
      </div>
      {error && (
        <Notice tone="warn">
          The list may be out of date: the server does not answer. It is tried again by itself.
        </Notice>
      )}
      {workers?.length === 0 && (
        <div className="card empty">
          <Server size={34} aria-hidden />
          <h2>This server runs the seats itself</h2>
          <p>
            To spread them over other machines, run <code>clarateach agent</code> on each and name them in{' '}
            <code>WORKER_AGENTS</code>.
          </p>
        </div>
      )}
      {workers !== undefined && workers.length > 0 && (
        <>
          <Summary workers={workers} />
          <ul className="worker-list">
            {bySituation(workers).map((worker) => (
              <WorkerCard key={worker.address} worker={worker} />
            ))}
          </ul>
        </>
      )}
    </div>
  );
}

function Summary({ workers }: { readonly workers: readonly WorkerView[] }) {
  const up = workers.filter(({ state }) => state === 'up');
  const away = workers.filter(({ state }) => state !== 'up');
  const room = up.reduce((sum, { capacity }) => sum + capacity, 0);
  const used = up.reduce((sum, { seatCount }) => sum + seatCount, 0);
  const lost = away.reduce((sum, { seats }) => sum + seats.length, 0);
  const facts: readonly [label: string, value: string, bad: boolean][] = [
    ['Answering', `${up.length} of ${workers.length}`, away.length > 0],
    ['Seats in use', `${used} of ${room}`, room > 0 && used >= room],
    ['Seats lost', String(lost), lost > 0],
  ];
  return (
    <dl className="card worker-summary">
      {facts.map(([label, value, bad]) => (
        <div key={label}>
          <dt>{label}</dt>
          <dd className={bad ? 'bad' : ''}>{value}</dd>
        </div>
      ))}
    </dl>
  );
}
