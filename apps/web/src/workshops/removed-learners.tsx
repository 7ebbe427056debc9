import type { Removal, SeatView } from '@clarateach/contract/workshop';
import { useMutation, useQuery } from '@tanstack/react-query';
import { UserX } from 'lucide-react';
import { client } from '../api/client.ts';
import { queries, queryClient } from '../api/queries.ts';
import { Confirm } from '../ui/dialog.tsx';
import { clockTime } from '../ui/time.ts';
import { toast, toastError } from '../ui/toast.ts';
import { showAnswer } from './workshop-actions.tsx';
import './removed-learners.css';

type WorkshopId = Parameters<typeof client.workshops.removals>[0]['id'];

const refresh = (id: WorkshopId) =>
  queryClient.invalidateQueries({ queryKey: queries.removals(id).queryKey });

interface RemoveLearnerProps {
  readonly id: WorkshopId;
  /** Whose learner is to go; undefined while nobody asks. */
  readonly seat: SeatView | undefined;
  readonly onClose: () => void;
}

/** Asks before a learner is removed. */
export function RemoveLearner({ id, seat, onClose }: RemoveLearnerProps) {
  const remove = useMutation({
    mutationFn: (target: SeatView) => client.workshops.removeLearner({ id, seat: target.seat }),
    onSuccess: (details, { seat: number, learner }) => {
      showAnswer(details);
      toast(`${learner?.name ?? 'The learner'} is removed. Seat ${number} is being made ready for the next.`);
    },
    onError: toastError,
    onSettled: () => refresh(id),
  });
  const name = seat?.learner?.name ?? '';
  return (
    <Confirm
      open={seat !== undefined}
      onOpenChange={(open) => !open && onClose()}
      title={`Remove ${name} from the workshop?`}
      action="Remove and lose the files"
      onConfirm={() => seat && remove.mutate(seat)}
    >
      {name}’s terminal, files and previews close at once, and their codes no longer work. Seat {seat?.seat}{' '}
      is reset for somebody else: <strong>all files in it are lost</strong>. You can let {name} back in later,
      to an empty seat.
    </Confirm>
  );
}

/** Who may not come back, with the way to undo it; nothing while everybody may. */
export function RemovedLearners({ id }: { readonly id: WorkshopId }) {
  const { data: removals } = useQuery(queries.removals(id));
  const letBack = useMutation({
    mutationFn: (removal: Removal) => client.workshops.letBack({ id, removal: removal.id }),
    onSuccess: (_, { name }) => toast(`${name} can join again, with the old return code or a new one.`),
    onError: toastError,
    onSettled: () => refresh(id),
  });
  if (removals === undefined || removals.length === 0) return null;
  return (
    <section className="card removed-learners" aria-labelledby="removed-learners">
      <h2 id="removed-learners">
        <UserX size={17} aria-hidden /> Removed
      </h2>
      <ul>
        {removals.map((removal) => (
          <li key={removal.id}>
            <div className="removed-name">
              <strong>{removal.name}</strong>
              <div className="soft small-text">
                from seat {removal.seat} at {clockTime(removal.removedAt)}
              </div>
            </div>
            <button
              type="button"
              className="button small"
              aria-label={`Let ${removal.name} back in`}
              disabled={letBack.isPending}
              onClick={() => letBack.mutate(removal)}
            >
              Let back in
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
}
