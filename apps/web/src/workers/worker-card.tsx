import type { WorkerView } from '@clarateach/contract/health';
import { useQuery } from '@tanstack/react-query';
import { Link } from 'react-router';
import { queries } from '../api/queries.ts';
import { paths } from '../paths.ts';
import { durationText } from '../ui/duration.ts';
import { useNow } from '../ui/time.ts';
import { situationOf, WORKER_LOOK } from './worker-state.ts';

export function WorkerCard({ worker }: { readonly worker: WorkerView }) {
  const { address, problem, heardAt } = worker;
  const situation = situationOf(worker);
  const look = WORKER_LOOK[situation];
  return (
    <li className={`card worker-card worker-${situation}`} aria-label={`Worker ${address}`}>
      <div className="row spread wrap">
        <h2 className="worker-address">{address.replace(/^http:\/\//, '')}</h2>
        <span className={`badge ${look.tone}`}>
          <look.icon size={14} aria-hidden />
          {look.text}
        </span>
      </div>
      {problem !== '' && <p className="worker-problem">{problem}</p>}
      <Fate worker={worker} />
      {/* Of one that never answered nothing is known. */}
      {heardAt !== null && <Facts worker={worker} heardAt={heardAt} />}
      <Seats worker={worker} />
    </li>
  );
}

function Facts({ worker, heardAt }: { readonly worker: WorkerView; readonly heardAt: string }) {
  const { version, runtime, capacity, seatCount, publicUrl } = worker;
  const used = capacity === 0 ? 0 : Math.min(1, seatCount / capacity);
  return (
    <>
      <div
        className="worker-room"
        role="progressbar"
        aria-label="Seats in use"
        aria-valuenow={seatCount}
        aria-valuemin={0}
        aria-valuemax={capacity}
        aria-valuetext={`${seatCount} of ${capacity} seats in use`}
      >
        <span className={used >= 0.9 ? 'nearly-full' : ''} style={{ width: `${used * 100}%` }} />
      </div>
      <dl className="worker-facts">
        <div>
          <dt>Seats</dt>
          <dd>
            {seatCount} of {capacity}
          </dd>
        </div>
        <div>
          <dt>Runtime</dt>
          <dd>{runtime ?? '–'}</dd>
        </div>
        <div>
          <dt>Version</dt>
          <dd>{version ?? '–'}</dd>
        </div>
        <div>
          <dt>Last heard</dt>
          <dd>
            <Heard at={heardAt} />
          </dd>
        </div>
        <div className="wide">
          <dt>Learners reach it</dt>
          <dd>{publicUrl ?? 'through this server'}</dd>
        </div>
      </dl>
    </>
  );
}

/** What becomes of the seats of a worker that cannot be used, and when. */
function Fate({ worker: { state, movesAt, seats } }: { readonly worker: WorkerView }) {
  const now = useNow(1_000);
  if (state === 'up' || seats.length === 0 || movesAt === null) return null;
  const leftMs = Date.parse(movesAt) - now;
  const [subject, verb] = seats.length === 1 ? ['Its seat', 'is'] : [`Its ${seats.length} seats`, 'are'];
  return (
    <p className="worker-fate">
      {leftMs > 0 ? (
        <>
          {subject} {verb} brought up on other workers that have room, <strong>without files</strong>, in{' '}
          <strong>{durationText(leftMs)}</strong> unless it answers before.
        </>
      ) : (
        <>
          {subject} {verb} brought up on other workers that have room. Old copies here are removed when it
          comes back.
        </>
      )}
    </p>
  );
}

const FRESH_MS = 5_000;

function Heard({ at }: { readonly at: string }) {
  const agoMs = useNow(1_000) - Date.parse(at);
  return agoMs < FRESH_MS ? 'just now' : `${durationText(agoMs)} ago`;
}

/** Its seats by workshop. Whoever sees workers may open every workshop. */
function Seats({ worker: { seats, seatCount } }: { readonly worker: WorkerView }) {
  const { data: workshops } = useQuery(queries.allWorkshops);
  const others = seatCount - seats.length;
  if (seatCount === 0) return null;
  return (
    <div className="worker-seats">
      {[...Map.groupBy(seats, ({ workshopId }) => workshopId)].map(([id, places]) => {
        const workshop = workshops?.find((each) => each.id === id);
        return (
          <div key={id} className="worker-workshop">
            {workshop ? <Link to={paths.workshop(id)}>{workshop.name}</Link> : <code>{id}</code>}
            <ul aria-label={`Seats of ${workshop?.name ?? id}`}>
              {places
                .toSorted((one, other) => one.seat - other.seat)
                .map(({ seat, state }) => (
                  <li
                    key={seat}
                    className={`worker-seat seat-${state}`}
                    title={`Seat ${seat}: ${SEAT_STATES[state]}`}
                  >
                    {seat}
                    <span className="visually-hidden"> {SEAT_STATES[state]}</span>
                  </li>
                ))}
            </ul>
          </div>
        );
      })}
      {others > 0 && (
        <p className="soft small-text">
          {others === 1 ? '1 seat belongs' : `${others} seats belong`} to another installation.
        </p>
      )}
    </div>
  );
}

const SEAT_STATES: Record<WorkerView['seats'][number]['state'], string> = {
  absent: 'stopped',
  starting: 'starting',
  running: 'running',
  exited: 'ended',
  unknown: 'out of sight',
};
