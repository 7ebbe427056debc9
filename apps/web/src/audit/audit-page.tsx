import type { AuditEntry, AuditPage as Page } from '@clarateach/contract/audit';
import { useInfiniteQuery } from '@tanstack/react-query';
import { ScrollText, ShieldX, UserRoundSearch } from 'lucide-react';
import { useDeferredValue, useId, useState } from 'react';
import { client } from '../api/client.ts';
import { InstructorPage, SignedIn } from '../shell/instructor-page.tsx';
import { ErrorPage } from '../ui/error-page.tsx';
import { Field } from '../ui/field.tsx';
import { NotFoundPage } from '../ui/not-found-page.tsx';
import { Spinner, Waiting } from '../ui/spinner.tsx';
import { ACTION_GROUPS, actionText, detailsText } from './action-text.ts';
import { PersonalData } from './personal-data.tsx';
import './audit.css';

const ACTORS = {
  person: '',
  learner: 'Learner',
  operator: 'Operator',
  system: 'System',
  anyone: 'Unknown',
} as const satisfies Record<AuditEntry['actor']['kind'], string>;

interface Filter {
  readonly action: string;
  readonly who: string;
  readonly refused: boolean;
  /** Days, as `<input type="date">` gives them; empty for none. */
  readonly from: string;
  readonly to: string;
}

const NONE: Filter = { action: '', who: '', refused: false, from: '', to: '' };

export function AuditPage() {
  return (
    <SignedIn>
      {(account) =>
        account.role === 'admin' ? (
          <InstructorPage title="Audit log" account={account}>
            <AuditLog />
          </InstructorPage>
        ) : (
          <NotFoundPage />
        )
      }
    </SignedIn>
  );
}

/** The instant at which a day begins here; `days` later. */
function dayStart(day: string, days = 0): string {
  const date = new Date(`${day}T00:00`);
  date.setDate(date.getDate() + days);
  return date.toISOString();
}

function useAuditLog(filter: Filter) {
  const { action, who, refused, from, to } = filter;
  return useInfiniteQuery({
    queryKey: ['audit', filter],
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page: Page) => page.next ?? undefined,
    queryFn: ({ pageParam }): Promise<Page> =>
      client.admin.audit({
        ...(action === '' ? {} : { action }),
        ...(who.trim() === '' ? {} : { who: who.trim() }),
        ...(refused ? { outcome: 'refused' as const } : {}),
        ...(from === '' ? {} : { from: dayStart(from) }),
        ...(to === '' ? {} : { to: dayStart(to, 1) }),
        ...(pageParam === undefined ? {} : { cursor: pageParam }),
      }),
    placeholderData: (before) => before,
  });
}

function AuditLog() {
  const [filter, setFilter] = useState(NONE);
  const [asking, setAsking] = useState(false);
  const { data, error, refetch, hasNextPage, fetchNextPage, isFetchingNextPage, isFetching } = useAuditLog(
    useDeferredValue(filter),
  );
  const entries = data?.pages.flatMap((page) => page.entries);
  return (
    <div className="stack page-stack">
      <div className="row spread wrap">
        <div>
          <h1>Audit log</h1>
          <p className="soft">Who did what, the newest first. Lines are added and never changed.</p>
        </div>
        <button type="button" className="button" onClick={() => setAsking(true)}>
          <UserRoundSearch size={17} aria-hidden /> A person’s data…
        </button>
      </div>
      <Filters filter={filter} onChange={setFilter} />
      {error && !entries && <ErrorPage error={error} onRetry={() => void refetch()} />}
      {!error && !entries && <Waiting label="Loading the log…" />}
      {entries?.length === 0 && (
        <div className="card empty">
          <ScrollText size={28} aria-hidden />
          <p>
            {filter === NONE
              ? 'Nothing has happened yet.'
              : 'No line fits these filters. Widen the days, or clear a field.'}
          </p>
          {filter !== NONE && (
            <button type="button" className="button" onClick={() => setFilter(NONE)}>
              Clear the filters
            </button>
          )}
        </div>
      )}
      {entries !== undefined && entries.length > 0 && (
        <>
          <div className="card audit-card" aria-busy={isFetching}>
            <Lines entries={entries} />
          </div>
          {hasNextPage && (
            <button
              type="button"
              className="button audit-more"
              disabled={isFetchingNextPage}
              onClick={() => void fetchNextPage()}
            >
              {isFetchingNextPage && <Spinner />} Show older lines
            </button>
          )}
        </>
      )}
      <PersonalData open={asking} onOpenChange={setAsking} />
    </div>
  );
}

interface FiltersProps {
  readonly filter: Filter;
  readonly onChange: (filter: Filter) => void;
}

function Filters({ filter, onChange }: FiltersProps) {
  const id = useId();
  const set = (change: Partial<Filter>) => onChange({ ...filter, ...change });
  return (
    <search className="audit-filters" aria-label="Filter the log">
      <div className="field">
        <label htmlFor={id}>What</label>
        <select
          id={id}
          className="input"
          value={filter.action}
          onChange={(event) => set({ action: event.target.value })}
        >
          {ACTION_GROUPS.map(([value, text]) => (
            <option key={value} value={value}>
              {text}
            </option>
          ))}
        </select>
      </div>
      <Field
        label="Who or whom"
        type="search"
        placeholder="Name or e-mail"
        value={filter.who}
        onChange={(event) => set({ who: event.target.value })}
      />
      <Field
        label="From"
        type="date"
        max={filter.to || undefined}
        value={filter.from}
        onChange={(event) => set({ from: event.target.value })}
      />
      <Field
        label="To"
        type="date"
        min={filter.from || undefined}
        value={filter.to}
        onChange={(event) => set({ to: event.target.value })}
      />
      <label className="check">
        <input
          type="checkbox"
          checked={filter.refused}
          onChange={(event) => set({ refused: event.target.checked })}
        />
        Only what was refused
      </label>
    </search>
  );
}

function Lines({ entries }: { readonly entries: readonly AuditEntry[] }) {
  return (
    <table className="audit-table">
      <caption className="visually-hidden">Who did what, the newest first</caption>
      <thead>
        <tr>
          <th scope="col">When</th>
          <th scope="col">Who</th>
          <th scope="col">What</th>
          <th scope="col">From</th>
        </tr>
      </thead>
      <tbody>
        {entries.map((entry) => (
          <Line key={entry.id} entry={entry} />
        ))}
      </tbody>
    </table>
  );
}

/** With its zone: who compares it with another log, or with another person's, may be elsewhere. */
function whenText(instant: string): string {
  return new Date(instant).toLocaleString([], {
    day: 'numeric',
    month: 'short',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    timeZoneName: 'short',
    ...(new Date(instant).getFullYear() === new Date().getFullYear() ? {} : { year: 'numeric' }),
  });
}

function Line({ entry }: { readonly entry: AuditEntry }) {
  const { at, action, outcome, actor, target, address, workshopId, details } = entry;
  const about =
    target === null ? (workshopId ?? '') : target.name || (target.kind === 'workshop' ? target.id : '');
  const more = detailsText(details);
  const kind = actor.kind === 'anyone' ? '' : ACTORS[actor.kind];
  return (
    <tr>
      <td>
        <time dateTime={at} title={new Date(at).toLocaleString([], { dateStyle: 'full', timeStyle: 'long' })}>
          {whenText(at)}
        </time>
      </td>
      <td className="audit-who">
        {actor.name || ACTORS[actor.kind] || 'Somebody'}
        {actor.name !== '' && kind !== '' && <span className="soft small-text"> {kind.toLowerCase()}</span>}
      </td>
      <td>
        <span title={action}>{actionText(action)}</span>
        {about && <strong className="audit-about"> {about}</strong>}
        {outcome === 'refused' && (
          <span className="badge tone-bad">
            <ShieldX size={13} aria-hidden /> refused
          </span>
        )}
        {more !== '' && <div className="soft small-text">{more}</div>}
      </td>
      <td className="soft audit-address">{address ?? '–'}</td>
    </tr>
  );
}
