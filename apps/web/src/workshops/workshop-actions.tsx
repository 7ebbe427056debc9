import type { WorkshopDetails } from '@clarateach/contract/workshop';
import { useMutation } from '@tanstack/react-query';
import { ChevronDown, Clock, Ellipsis, Play, Square, Trash2 } from 'lucide-react';
import { useState } from 'react';
import { client } from '../api/client.ts';
import { queries, queryClient } from '../api/queries.ts';
import { Confirm } from '../ui/dialog.tsx';
import { IconButton } from '../ui/icon-button.tsx';
import { Menu } from '../ui/menu.tsx';
import { Spinner } from '../ui/spinner.tsx';
import { clockTime, timeLeft, useNow } from '../ui/time.ts';
import { toast, toastError } from '../ui/toast.ts';
import { WORKSHOP_ACTIONS } from './phases.tsx';

const EXTENSIONS = [
  { minutes: 15, text: '15 minutes' },
  { minutes: 30, text: '30 minutes' },
  { minutes: 60, text: '1 hour' },
  { minutes: 120, text: '2 hours' },
  { minutes: 480, text: '8 hours' },
];

/** Shows what the server answered at once, before the live event that says the same. */
export function showAnswer(details: WorkshopDetails): void {
  queryClient.setQueryData(queries.workshop(details.id).queryKey, details);
}

interface WorkshopActionsProps {
  readonly workshop: WorkshopDetails;
  /** False for a co-instructor, who may do all else. */
  readonly mayDelete: boolean;
}

export function WorkshopActions({ workshop, mayDelete }: WorkshopActionsProps) {
  const { id, name, phase, endsAt } = workshop;
  const [asking, setAsking] = useState<'stop' | 'delete'>();
  const now = useNow(10_000);
  const allowed: readonly string[] = WORKSHOP_ACTIONS[phase];

  const start = useMutation({
    mutationFn: async () => (await client.workshops.start({ params: { id }, query: {} })).body,
    onSuccess: showAnswer,
    onError: toastError,
  });
  const stop = useMutation({
    mutationFn: () => client.workshops.stop({ id }),
    onSuccess: showAnswer,
    onError: toastError,
  });
  const extend = useMutation({
    mutationFn: (minutes: number) => client.workshops.extend({ id, minutes }),
    onSuccess: (details) => {
      showAnswer(details);
      if (details.endsAt !== null) toast(`The workshop now ends at ${clockTime(details.endsAt)}.`);
    },
    onError: toastError,
  });
  const remove = useMutation({
    mutationFn: () => client.workshops.delete({ id }),
    onSuccess: () =>
      queryClient.setQueryData(
        queries.workshop(id).queryKey,
        (details) => details && { ...details, phase: 'deleting' as const },
      ),
    onError: toastError,
  });

  return (
    <div className="row wrap">
      {endsAt !== null && allowed.includes('extend') && (
        <Menu
          label="Move the end later by"
          trigger={
            <button type="button" className="button" disabled={extend.isPending}>
              <Clock size={17} aria-hidden />
              <span>
                Ends {clockTime(endsAt)} <span className="soft">· {timeLeft(endsAt, now)} left</span>
              </span>
              <span className="visually-hidden">Extend</span>
              <ChevronDown size={15} aria-hidden />
            </button>
          }
          actions={EXTENSIONS.map(({ minutes, text }) => ({
            label: text,
            icon: Clock,
            onSelect: () => extend.mutate(minutes),
          }))}
        />
      )}
      {allowed.includes('start') && (
        <button
          type="button"
          className="button primary"
          disabled={start.isPending}
          onClick={() => start.mutate()}
        >
          {start.isPending ? <Spinner /> : <Play size={17} aria-hidden />}
          {workshop.startedAt === null ? 'Start' : 'Start again'}
        </button>
      )}
      {allowed.includes('stop') && (
        <button type="button" className="button" disabled={stop.isPending} onClick={() => setAsking('stop')}>
          {stop.isPending ? <Spinner /> : <Square size={16} aria-hidden />}
          Stop
        </button>
      )}
      {mayDelete && allowed.includes('delete') && (
        <Menu
          trigger={<IconButton label="More actions" icon={Ellipsis} />}
          actions={[
            { label: 'Delete workshop…', icon: Trash2, danger: true, onSelect: () => setAsking('delete') },
          ]}
        />
      )}
      <Confirm
        open={asking === 'stop'}
        onOpenChange={(open) => !open && setAsking(undefined)}
        title={`Stop “${name}”?`}
        action="Stop and lose the files"
        onConfirm={() => stop.mutate()}
      >
        Every seat is released and <strong>all files in them are lost</strong>. Ask learners to download their
        work first. The workshop and its join code stay, and you can start it again with empty seats.
      </Confirm>
      <Confirm
        open={asking === 'delete'}
        onOpenChange={(open) => !open && setAsking(undefined)}
        title={`Delete “${name}”?`}
        action="Delete workshop"
        onConfirm={() => remove.mutate()}
      >
        The workshop, its seats and <strong>all files in them are deleted</strong>. The join code stops
        working. This cannot be undone.
      </Confirm>
    </div>
  );
}
