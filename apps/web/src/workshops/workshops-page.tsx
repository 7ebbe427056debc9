import type { Account } from '@clarateach/contract/account';
import type { WorkshopSummary } from '@clarateach/contract/workshop';
import { useQuery } from '@tanstack/react-query';
import { Clock, MonitorPlay, Plus, Users } from 'lucide-react';
import { useState } from 'react';
import { Link, useNavigate } from 'react-router';
import { queries } from '../api/queries.ts';
import { paths } from '../paths.ts';
import { InstructorPage } from '../shell/instructor-page.tsx';
import { counted } from '../ui/counted.ts';
import { ErrorPage } from '../ui/error-page.tsx';
import { Notice } from '../ui/notice.tsx';
import { timeLeft, useNow } from '../ui/time.ts';
import { NewWorkshopDialog } from './new-workshop-dialog.tsx';
import { WorkshopPhaseBadge } from './phases.tsx';
import { emptyForm } from './workshop-form.ts';
import './workshops.css';

export function WorkshopsPage({ account }: { readonly account: Account }) {
  const [scope, setScope] = useState<'own' | 'all'>('own');
  const {
    data: workshops,
    error,
    refetch,
  } = useQuery(scope === 'all' ? queries.allWorkshops : queries.workshops);
  const [creating, setCreating] = useState(false);
  // Kept here and not in the dialog: closing it by accident loses nothing.
  const [form, setForm] = useState(emptyForm);
  const navigate = useNavigate();
  if (error && !workshops) return <ErrorPage error={error} onRetry={() => void refetch()} />;
  const newButton = (
    <button type="button" className="button primary" onClick={() => setCreating(true)}>
      <Plus size={18} aria-hidden /> New workshop
    </button>
  );
  return (
    <InstructorPage title="Workshops" account={account}>
      <div className="stack page-stack">
        {!account.hasPassword && !account.hasProvider && (
          <Notice
            tone="warn"
            action={
              <Link className="button small" to={paths.account()}>
                Set a password
              </Link>
            }
          >
            Set a password so you can sign in again.
          </Notice>
        )}
        {error && (
          <Notice tone="warn">
            The list may be out of date: the server does not answer. It is tried again by itself.
          </Notice>
        )}
        <div className="row spread wrap">
          <div className="row wrap">
            <h1>Workshops</h1>
            {account.role === 'admin' && (
              <label className="check small-text">
                <input
                  type="checkbox"
                  checked={scope === 'all'}
                  onChange={(event) => setScope(event.target.checked ? 'all' : 'own')}
                />
                <span>of all instructors</span>
              </label>
            )}
          </div>
          {workshops !== undefined && workshops.length > 0 && newButton}
        </div>
        {workshops === undefined && <ListSkeleton />}
        {workshops?.length === 0 && (
          <div className="card empty">
            <MonitorPlay size={34} aria-hidden />
            <h2>Make your first workshop</h2>
            <p>
              Choose how many seats. Each becomes a workspace of its own; learners come in with a code that
              you show them.
            </p>
            {newButton}
          </div>
        )}
        {workshops !== undefined && workshops.length > 0 && (
          <ul className="workshop-list">
            {workshops.map((workshop) => (
              <WorkshopCard key={workshop.id} workshop={workshop} account={account} />
            ))}
          </ul>
        )}
      </div>
      <NewWorkshopDialog
        open={creating}
        onOpenChange={setCreating}
        form={form}
        onFormChange={setForm}
        onCreated={({ id }) => {
          setForm(emptyForm);
          navigate(paths.workshop(id));
        }}
      />
    </InstructorPage>
  );
}

interface WorkshopCardProps {
  readonly workshop: WorkshopSummary;
  readonly account: Account;
}

function WorkshopCard({ workshop, account }: WorkshopCardProps) {
  const { id, name, phase, code, readySeats, occupiedSeats, seatCount, endsAt } = workshop;
  const now = useNow(15_000);
  const off = phase === 'stopped';
  return (
    <li className="card workshop-card">
      <div className="row spread">
        <h2>
          <Link className="workshop-link" to={paths.workshop(id)}>
            {name}
          </Link>
        </h2>
        <span className="row">
          {workshop.ownerId !== account.id && <SharedBadge account={account} />}
          <WorkshopPhaseBadge phase={phase} />
        </span>
      </div>
      <SeatBar ready={readySeats} occupied={occupiedSeats} total={seatCount} />
      <dl className="facts">
        <div>
          <dt>Seats</dt>
          <dd>
            <Users className="fact-icon" size={15} aria-hidden />
            {off ? counted(seatCount, 'seat') : `${occupiedSeats} of ${seatCount} taken`}
          </dd>
        </div>
        <div>
          <dt>Time left</dt>
          <dd>
            <Clock className="fact-icon" size={15} aria-hidden />
            {endsAt === null ? 'not running' : timeLeft(endsAt, now)}
          </dd>
        </div>
        <div>
          <dt>Join code</dt>
          <dd>
            <code>{code}</code>
          </dd>
        </div>
      </dl>
    </li>
  );
}

/** At a workshop that somebody else made. */
export function SharedBadge({ account }: { readonly account: Account }) {
  return (
    <span className="badge tone-accent">
      {account.role === 'admin' ? "Another instructor's" : 'Shared with you'}
    </span>
  );
}

interface SeatBarProps {
  readonly ready: number;
  readonly occupied: number;
  readonly total: number;
}

/** Occupied, then free, then not yet usable. */
export function SeatBar({ ready, occupied, total }: SeatBarProps) {
  const share = (count: number) => `${total === 0 ? 0 : (count / total) * 100}%`;
  return (
    <div
      className="seat-bar"
      role="progressbar"
      aria-label="Seats ready"
      aria-valuenow={ready}
      aria-valuemin={0}
      aria-valuemax={total}
      aria-valuetext={`${ready} of ${total} seats ready, ${occupied} taken`}
    >
      <span className="occupied" style={{ width: share(occupied) }} />
      <span className="ready" style={{ width: share(Math.max(0, ready - occupied)) }} />
    </div>
  );
}

function ListSkeleton() {
  return (
    <ul className="workshop-list" aria-label="Loading workshops">
      {[1, 2, 3].map((key) => (
        <li key={key} className="card workshop-card">
          <div className="skeleton" style={{ height: 22, width: '55%' }} />
          <div className="skeleton" style={{ height: 8 }} />
          <div className="skeleton" style={{ height: 38 }} />
        </li>
      ))}
    </ul>
  );
}
