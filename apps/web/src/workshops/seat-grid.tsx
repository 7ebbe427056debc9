import type { SeatView, WorkshopDetails } from '@clarateach/contract/workshop';
import { useMutation } from '@tanstack/react-query';
import { Ellipsis, Eraser, Eye, EyeOff, Link2, RotateCw, UserX } from 'lucide-react';
import { useState } from 'react';
import { client } from '../api/client.ts';
import { HandOverDialog } from '../entry/hand-over-dialog.tsx';
import { CopyButton } from '../ui/copy-button.tsx';
import { Confirm } from '../ui/dialog.tsx';
import { durationText } from '../ui/duration.ts';
import { IconButton } from '../ui/icon-button.tsx';
import { Menu } from '../ui/menu.tsx';
import { clockTime, useNow } from '../ui/time.ts';
import { toast, toastError } from '../ui/toast.ts';
import { SEAT_CAN_RESTART, SeatPhaseBadge } from './phases.tsx';
import { RemovedLearners, RemoveLearner } from './removed-learners.tsx';
import { showAnswer } from './workshop-actions.tsx';

export function SeatGrid({ workshop }: { readonly workshop: WorkshopDetails }) {
  const { id } = workshop;
  const [resetting, setResetting] = useState<SeatView>();
  const [removing, setRemoving] = useState<SeatView>();
  const [handing, setHanding] = useState<SeatView>();
  const restart = useMutation({
    mutationFn: (seat: number) => client.workshops.restartSeat({ id, seat }),
    onSuccess: (details, seat) => {
      showAnswer(details);
      toast(`Seat ${seat} restarts. Its files stay.`);
    },
    onError: toastError,
  });
  const reset = useMutation({
    mutationFn: (seat: number) => client.workshops.resetSeat({ id, seat }),
    onSuccess: showAnswer,
    onError: toastError,
  });
  return (
    <>
      <ul className="seat-grid">
        {workshop.seats.map((seat) => (
          <SeatCard
            key={seat.seat}
            seat={seat}
            onRestart={() => restart.mutate(seat.seat)}
            onReset={() => setResetting(seat)}
            onRemove={() => setRemoving(seat)}
            onHandOver={() => setHanding(seat)}
          />
        ))}
      </ul>
      <RemovedLearners id={id} />
      {handing && <HandOverDialog id={id} seat={handing} onClose={() => setHanding(undefined)} />}
      <RemoveLearner id={id} seat={removing} onClose={() => setRemoving(undefined)} />
      <Confirm
        open={resetting !== undefined}
        onOpenChange={(open) => !open && setResetting(undefined)}
        title={`Reset seat ${resetting?.seat ?? ''}?`}
        action="Reset and lose the files"
        onConfirm={() => resetting && reset.mutate(resetting.seat)}
      >
        The seat becomes as new: <strong>all files in it are lost</strong>.{' '}
        {resetting?.learner
          ? `${resetting.learner.name} keeps the seat and its code.`
          : 'Nobody sits there at the moment.'}
      </Confirm>
    </>
  );
}

interface SeatCardProps {
  readonly seat: SeatView;
  readonly onRestart: () => void;
  readonly onReset: () => void;
  readonly onRemove: () => void;
  readonly onHandOver: () => void;
}

function SeatCard({ seat: view, onRestart, onReset, onRemove, onHandOver }: SeatCardProps) {
  const { seat, phase, reason, movesAt, attempts, learner } = view;
  return (
    <li className={`card seat-card phase-${phase}`} aria-label={`Seat ${seat}`}>
      <div className="seat-head">
        <span className="seat-number">{seat}</span>
        <SeatPhaseBadge phase={phase} />
        {(SEAT_CAN_RESTART[phase] || learner) && (
          <Menu
            trigger={
              <IconButton
                className="seat-menu"
                label={`Actions for seat ${seat}`}
                icon={Ellipsis}
                size="small"
              />
            }
            actions={[
              ...(learner
                ? [{ label: 'Hand over to another browser…', icon: Link2, onSelect: onHandOver }]
                : []),
              ...(SEAT_CAN_RESTART[phase]
                ? [
                    { label: 'Restart (keeps files)', icon: RotateCw, onSelect: onRestart },
                    { label: 'Reset…', icon: Eraser, danger: true, onSelect: onReset },
                  ]
                : []),
              ...(learner
                ? [
                    {
                      label: `Remove ${learner.name}…`,
                      icon: UserX,
                      danger: true,
                      apart: SEAT_CAN_RESTART[phase],
                      onSelect: onRemove,
                    },
                  ]
                : []),
            ]}
          />
        )}
      </div>
      {learner && <Learner learner={learner} />}
      {!learner && phase === 'ready' && <p className="soft">Free</p>}
      {phase === 'lost' && movesAt !== null && <LostSeat movesAt={movesAt} reason={reason} />}
      {reason !== '' && (phase !== 'lost' || movesAt === null) && (
        <p className="seat-reason">
          {reason}
          {attempts > 1 && <span className="soft"> ({attempts} attempts)</span>}
        </p>
      )}
    </li>
  );
}

/** What becomes of a seat whose machine does not answer, and when. */
function LostSeat({ movesAt, reason }: { readonly movesAt: string; readonly reason: string }) {
  const leftMs = Date.parse(movesAt) - useNow(1_000);
  return (
    <div className="seat-reason" title={reason}>
      <p>Its machine does not answer.</p>
      <p className="soft">
        If it comes back, the seat is as it was, with its files.{' '}
        {leftMs > 0 ? (
          <>
            If not, the seat is brought up on another machine <strong>without its files</strong> in{' '}
            <strong className="countdown">{durationText(leftMs)}</strong>.
          </>
        ) : (
          <>It is now brought up on another machine, without its files.</>
        )}
      </p>
    </div>
  );
}

function Learner({ learner }: { readonly learner: NonNullable<SeatView['learner']> }) {
  const [shown, setShown] = useState(false);
  return (
    <div className="seat-learner">
      <span className="learner-name" title={learner.name}>
        {learner.name}
      </span>
      <span className="soft small-text">since {clockTime(learner.joinedAt)}</span>
      <span className="return-code">
        <span className="soft">Return code</span>
        <code>{shown ? learner.odehash : '•••••'}</code>
        <IconButton
          size="small"
          icon={shown ? EyeOff : Eye}
          label={
            shown ? `Hide the return code of ${learner.name}` : `Show the return code of ${learner.name}`
          }
          aria-pressed={shown}
          onClick={() => setShown(!shown)}
        />
        {shown && <CopyButton className="small" text={learner.odehash} what="return code" />}
      </span>
    </div>
  );
}
