import type { WorkerView } from '@clarateach/contract/health';
import type { LucideIcon } from 'lucide-react';
import { CircleCheck, CircleDashed, CirclePause, OctagonAlert, TriangleAlert } from 'lucide-react';

export type WorkerSituation = WorkerView['state'] | 'draining';

interface Look {
  readonly text: string;
  readonly icon: LucideIcon;
  readonly tone: string;
}

/** In the order in which they need somebody. */
export const WORKER_LOOK: Record<WorkerSituation, Look> = {
  down: { text: 'Does not answer', icon: TriangleAlert, tone: 'tone-bad' },
  refused: { text: 'Refused', icon: OctagonAlert, tone: 'tone-bad' },
  unknown: { text: 'Not heard yet', icon: CircleDashed, tone: '' },
  draining: { text: 'Draining', icon: CirclePause, tone: 'tone-warn' },
  up: { text: 'Up', icon: CircleCheck, tone: 'tone-good' },
};
const ORDER = Object.keys(WORKER_LOOK);

export function situationOf({ state, draining }: Pick<WorkerView, 'state' | 'draining'>): WorkerSituation {
  return state === 'up' && draining ? 'draining' : state;
}

/** Those that need somebody stand first; the rest stay in their order. */
export function bySituation(workers: readonly WorkerView[]): readonly WorkerView[] {
  const rank = (worker: WorkerView) => ORDER.indexOf(situationOf(worker));
  return workers.toSorted((one, other) => rank(one) - rank(other));
}
