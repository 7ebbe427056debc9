import type { SeatPhase, WorkshopPhase } from '@clarateach/contract/workshop';
import type { LucideIcon } from 'lucide-react';
import {
  CircleCheck,
  CircleDashed,
  CircleX,
  Clock,
  LoaderCircle,
  Power,
  RotateCw,
  Trash2,
  TriangleAlert,
  UserRound,
} from 'lucide-react';

interface Look {
  readonly text: string;
  readonly icon: LucideIcon;
  readonly tone: string;
  readonly spins?: boolean;
}

export const SEAT_LOOK = {
  off: { text: 'Off', icon: Power, tone: '' },
  waiting: { text: 'Waiting', icon: Clock, tone: '' },
  starting: { text: 'Starting', icon: LoaderCircle, tone: 'tone-busy', spins: true },
  ready: { text: 'Ready', icon: CircleCheck, tone: 'tone-good' },
  occupied: { text: 'Occupied', icon: UserRound, tone: 'tone-accent' },
  restarting: { text: 'Restarting', icon: RotateCw, tone: 'tone-busy', spins: true },
  resetting: { text: 'Resetting', icon: RotateCw, tone: 'tone-warn', spins: true },
  stopping: { text: 'Stopping', icon: LoaderCircle, tone: '', spins: true },
  failed: { text: 'Failed', icon: CircleX, tone: 'tone-bad' },
  lost: { text: 'Lost', icon: TriangleAlert, tone: 'tone-bad' },
} as const satisfies Record<SeatPhase, Look>;

export const WORKSHOP_LOOK = {
  stopped: { text: 'Stopped', icon: CircleDashed, tone: '' },
  starting: { text: 'Starting', icon: LoaderCircle, tone: 'tone-busy', spins: true },
  ready: { text: 'Ready', icon: CircleCheck, tone: 'tone-good' },
  degraded: { text: 'Some seats down', icon: TriangleAlert, tone: 'tone-warn' },
  failed: { text: 'Failed', icon: CircleX, tone: 'tone-bad' },
  stopping: { text: 'Stopping', icon: LoaderCircle, tone: 'tone-busy', spins: true },
  deleting: { text: 'Deleting', icon: Trash2, tone: 'tone-bad' },
} as const satisfies Record<WorkshopPhase, Look>;

function Phase({ look }: { readonly look: Look }) {
  const Icon = look.icon;
  return (
    <span className={`badge ${look.tone}`}>
      <Icon size={14} className={look.spins ? 'spin' : ''} aria-hidden />
      {look.text}
    </span>
  );
}

export const SeatPhaseBadge = ({ phase }: { readonly phase: SeatPhase }) => <Phase look={SEAT_LOOK[phase]} />;

export const WorkshopPhaseBadge = ({ phase }: { readonly phase: WorkshopPhase }) => (
  <Phase look={WORKSHOP_LOOK[phase]} />
);

/** Which buttons a workshop has, by its phase. */
export const WORKSHOP_ACTIONS = {
  stopped: ['start', 'delete'],
  starting: ['stop', 'extend', 'delete'],
  ready: ['stop', 'extend', 'delete'],
  degraded: ['stop', 'extend', 'delete'],
  failed: ['start', 'stop', 'delete'],
  stopping: ['delete'],
  deleting: [],
} as const satisfies Record<WorkshopPhase, readonly ('start' | 'stop' | 'extend' | 'delete')[]>;

/** Whether a seat in this phase can be restarted or reset. */
export const SEAT_CAN_RESTART = {
  off: false,
  waiting: false,
  starting: true,
  ready: true,
  occupied: true,
  restarting: false,
  resetting: false,
  stopping: false,
  failed: true,
  lost: false,
} as const satisfies Record<SeatPhase, boolean>;
