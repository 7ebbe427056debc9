import type { Account } from '@clarateach/contract/account';
import type { WorkshopDetails } from '@clarateach/contract/workshop';
import { ChevronLeft, CloudOff } from 'lucide-react';
import { useEffect } from 'react';
import { Link, useNavigate, useParams } from 'react-router';
import { ApiError } from '../api/api-error.ts';
import { paths } from '../paths.ts';
import { InstructorPage, SignedIn } from '../shell/instructor-page.tsx';
import { ErrorPage } from '../ui/error-page.tsx';
import { NotFoundPage } from '../ui/not-found-page.tsx';
import { Notice } from '../ui/notice.tsx';
import { Waiting } from '../ui/spinner.tsx';
import { toast } from '../ui/toast.ts';
import type { SeatCounts } from './live-state.ts';
import { countSeats } from './live-state.ts';
import { WorkshopPhaseBadge } from './phases.tsx';
import { RoomPanel } from './room-panel.tsx';
import { SeatGrid } from './seat-grid.tsx';
import { useLiveWorkshop } from './use-live-workshop.ts';
import { WorkshopActions } from './workshop-actions.tsx';
import { SeatBar, SharedBadge } from './workshops-page.tsx';
import './workshops.css';

export function WorkshopPage() {
  const { id = '' } = useParams();
  return <SignedIn>{(account) => <Workshop account={account} id={id} />}</SignedIn>;
}

function Workshop({ account, id }: { readonly account: Account; readonly id: string }) {
  const { data: workshop, error, live, refetch } = useLiveWorkshop(id);
  const navigate = useNavigate();

  useEffect(() => {
    if (live !== 'deleted') return;
    toast('The workshop and all it held are deleted.');
    navigate(paths.home(), { replace: true });
  }, [live, navigate]);

  if (error instanceof ApiError && (error.code === 'not_found' || error.code === 'invalid_input')) {
    return <NotFoundPage />;
  }
  if (error && !workshop) return <ErrorPage error={error} onRetry={() => void refetch()} />;
  if (!workshop) return <Waiting label="Loading the workshop…" />;
  const counts = countSeats(workshop);
  return (
    <InstructorPage title={workshop.name} account={account}>
      <div className="stack page-stack">
        <div>
          <Link className="back-link" to={paths.home()}>
            <ChevronLeft size={16} aria-hidden /> Workshops
          </Link>
          <div className="row spread wrap workshop-head">
            <div className="row wrap">
              <h1>{workshop.name}</h1>
              <WorkshopPhaseBadge phase={workshop.phase} />
              {account.id !== workshop.ownerId && <SharedBadge account={account} />}
              {live === 'interrupted' && (
                <span className="badge tone-warn" role="status">
                  <CloudOff size={14} aria-hidden /> Live updates interrupted, reconnecting
                </span>
              )}
            </div>
            <WorkshopActions
              workshop={workshop}
              mayDelete={account.id === workshop.ownerId || account.role === 'admin'}
            />
          </div>
        </div>
        <Progress workshop={workshop} counts={counts} />
        <div className="workshop-columns">
          <section aria-label="Seats">
            <SeatGrid workshop={workshop} />
          </section>
          <RoomPanel workshop={workshop} />
        </div>
      </div>
    </InstructorPage>
  );
}

function progressText(workshop: WorkshopDetails, { total, ready, occupied, failed }: SeatCounts): string {
  switch (workshop.phase) {
    case 'stopped':
      return total === 1 ? '1 seat, not running' : `${total} seats, none running`;
    case 'stopping':
      return 'The seats are being released';
    case 'deleting':
      return 'The workshop is being deleted';
    default: {
      const parts = [`${ready} of ${total} seats ready`];
      if (occupied > 0) parts.push(`${occupied} taken`);
      if (failed > 0) parts.push(`${failed} failed`);
      return parts.join(' · ');
    }
  }
}

function Progress({ workshop, counts }: { readonly workshop: WorkshopDetails; readonly counts: SeatCounts }) {
  return (
    <div className="stack progress">
      <p className="progress-text" aria-live="polite">
        {progressText(workshop, counts)}
      </p>
      <SeatBar {...counts} />
      {workshop.phase === 'failed' && (
        <Notice tone="bad">
          No seat could be started. The reason stands at each seat below; put it right, then start again.
        </Notice>
      )}
    </div>
  );
}
