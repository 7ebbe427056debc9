import { type AgentInfo, MAX_REVOCATIONS, type Vm } from '@clarateach/contract/agent-api';
import type { WorkerView } from '@clarateach/contract/health';
import {
  type Odehash,
  parseSeatName,
  type SeatId,
  seatName,
  type WorkshopId,
} from '@clarateach/contract/ids';
import { isLoopback } from '@clarateach/contract/loopback';
import type { RuntimeName } from '@clarateach/contract/runtime';
import type { RevocationList } from '@clarateach/gateway/revocation-list';
import type { SeatProvider } from '@clarateach/seats/provider';
import type { Database } from '../store/database.ts';
import type { Changes } from '../workshops/changes.ts';
import { detourReason } from './detour.ts';
import { openHomes } from './homes.ts';
import { type PlacedSeat, placedSeats, retrySeats, touchSeatsOf, usedRuntimes } from './placement.ts';
import { seatsOnWorkers } from './seats-on-workers.ts';
import { createStaleCopies } from './stale-copies.ts';
import { type Worker, watchWorker } from './worker.ts';
import type { WorkerAgent } from './worker-agents.ts';
import { createWorkerKeys, type KeyIds } from './worker-keys.ts';

const PUSH_MS = 3_000;

/** The machines that have seats, and what the server does with them. */
export interface Workers {
  /** The runtimes to offer, the default first: what workers have, or, until one was heard, what seats have. */
  readonly runtimes: ReadonlyMap<RuntimeName, SeatProvider>;
  /** What our seats on workers are labelled with. */
  readonly installation: string;
  /** Also for a runtime that no worker is known to have: its seats are lost, or wait for one. */
  providerOf(runtime: RuntimeName): SeatProvider;
  /** The token of the agent at this origin. */
  token(agent: string): string | undefined;
  /**
   * Where browsers reach the worker's gateway, for somebody who reaches this server at `reachedAt`; undefined
   * where they come through this server.
   */
  publicUrl(agent: string, reachedAt: string): string | undefined;
  /** Every origin at which browsers may find a worker. */
  publicUrls(): readonly string[];
  view(): readonly WorkerView[];
  close(): Promise<void>;
}

export async function openWorkers(deps: {
  readonly agents: readonly WorkerAgent[];
  readonly database: Database;
  readonly changes: Changes;
  /** Labels our seats on workers that others use too. */
  readonly installation: string;
  /** The names of the keys that our seat tokens may be signed with. */
  readonly keys: KeyIds;
  /** Tokens that every worker has to refuse. */
  readonly revocations: RevocationList;
  readonly moveAfterMs: number;
  /** Offered until a worker says what it has, where there are no seats either. */
  readonly fallback: RuntimeName;
  readonly now: () => number;
  readonly onState: (address: string, state: Worker['state'], problem: string) => void;
  readonly onError: (error: unknown) => void;
}): Promise<Workers> {
  const { agents, database, changes, revocations, now, onError } = deps;
  const named = new Map(agents.map((agent) => [agent.address, agent]));
  const providers = new Map<RuntimeName, SeatProvider>();
  const runtimes = new Map<RuntimeName, SeatProvider>();
  const workers: Worker[] = [];
  /** What each worker was last told or said, by address and seat. */
  const told = new Map<string, Odehash | null>();
  /** The digest of what each worker was told to refuse, or says that it refuses. */
  const toldRevoked = new Map<string, { readonly digest: string; readonly done: Promise<void> }>();
  const closing = new AbortController();
  const workerKeys = createWorkerKeys({ ours: deps.keys, now, closing: closing.signal, onError });
  const homes = openHomes(database, workers);
  const livesOn = async ({ worker: address }: PlacedSeat, worker: Worker): Promise<boolean> =>
    address !== null && (await homes.of(address)) === worker;
  const staleCopies = createStaleCopies({
    async isElsewhere(id, worker) {
      const seat = (await placedSeats(database, [id.workshop])).get(seatName(id));
      // What has no row at all is the reconciler's to remove.
      // The worker that it was moved to may yet refuse it: then it comes back to this one, and to its files.
      return seat?.settled === true && !(await livesOn(seat, worker));
    },
    ...{ now, closing: closing.signal, onError },
  });

  const keyOf = (worker: Worker, name: string) => `${worker.address} ${name}`;

  const providerOf = (runtime: RuntimeName): SeatProvider => {
    const known = providers.get(runtime);
    if (known) return known;
    const provider = seatsOnWorkers({
      ...deps,
      runtime,
      workers,
      homes,
      onEnsured: (id, worker) => void tellAnew(id, worker),
      beforeDestroy: tellRevoked,
    });
    providers.set(runtime, provider);
    return provider;
  };

  const usedAtStart = await usedRuntimes(database);
  const offer = (): void => {
    const heard = [...new Set(workers.flatMap(({ info }) => info?.runtime.name ?? []))];
    const [names = [deps.fallback]] = [heard, usedAtStart].filter(({ length }) => length > 0);
    if (names.join() === [...runtimes.keys()].join()) return;
    runtimes.clear();
    for (const name of names) runtimes.set(name, providerOf(name));
  };

  /**
   * The worker refuses what this server refuses when it resolves. What is lost on the way is found by
   * the next heartbeat, so nothing here throws.
   */
  const tellRevoked = (worker: Worker): Promise<void> => {
    const digest = revocations.digest();
    const told = toldRevoked.get(worker.address);
    if (told?.digest === digest) return told.done;
    const tell = async (): Promise<void> => {
      try {
        const list = revocations.entries().map(({ workshopId, odehash, before, expiresAt }) => ({
          workshop_id: workshopId,
          odehash,
          before,
          expires_at: expiresAt,
        }));
        const signal = AbortSignal.any([closing.signal, AbortSignal.timeout(PUSH_MS)]);
        for (let from = 0; from < list.length; from += MAX_REVOCATIONS) {
          await worker.agent.revoke({ revocations: list.slice(from, from + MAX_REVOCATIONS) }, signal);
        }
      } catch (error) {
        toldRevoked.delete(worker.address);
        if (!closing.signal.aborted && worker.state === 'up') onError(error);
      }
    };
    const done = tell();
    toldRevoked.set(worker.address, { digest, done });
    return done;
  };

  const push = async (worker: Worker, id: SeatId, { holder, revision }: PlacedSeat): Promise<void> => {
    const key = keyOf(worker, seatName(id));
    told.set(key, holder);
    try {
      const signal = AbortSignal.any([closing.signal, AbortSignal.timeout(PUSH_MS)]);
      await worker.agent.setHolder(id, { odehash: holder, revision }, signal);
    } catch (error) {
      // The next heartbeat finds the difference again.
      told.delete(key);
      if (!closing.signal.aborted && worker.state === 'up') onError(error);
    }
  };

  const tellAnew = async (id: SeatId, worker: Worker): Promise<void> => {
    try {
      const placed = (await placedSeats(database, [id.workshop])).get(seatName(id));
      if (placed && placed.holder !== null && (await livesOn(placed, worker))) await push(worker, id, placed);
    } catch (error) {
      onError(error);
    }
  };

  /** Somebody joined or left: the worker must know within a moment. */
  const tellHolders = async (workshop: WorkshopId): Promise<void> => {
    if (workers.every(({ state }) => state !== 'up')) return;
    const placed = await placedSeats(database, [workshop]);
    await Promise.all(
      [...placed].map(async ([name, seat]) => {
        const worker = seat.worker === null ? undefined : await homes.of(seat.worker);
        const id = parseSeatName(name);
        if (worker?.state !== 'up' || !id || (told.get(keyOf(worker, name)) ?? null) === seat.holder) return;
        await push(worker, id, seat);
      }),
    );
  };

  /** What the worker holds, against what the database says: holders are told, copies of seats that live elsewhere go. */
  const reconcile = async (worker: Worker, info: AgentInfo): Promise<void> => {
    if (info.id !== undefined) await homes.heard(worker, info.id);
    // While one is under way, what the worker said may be older than that.
    await toldRevoked.get(worker.address)?.done;
    toldRevoked.set(worker.address, { digest: info.revocations, done: Promise.resolve() });
    await tellRevoked(worker);
    workerKeys.heard(worker, info);
    offer();
    const placed = await placedSeats(database, [...new Set(info.vms.map((vm) => vm.workshop_id))]);
    const elsewhere: SeatId[] = [];
    const pushes: Promise<void>[] = [];
    for (const vm of info.vms) {
      const seat = placed.get(vm.name);
      told.set(keyOf(worker, vm.name), vm.holder);
      if (!seat) continue;
      if (!(await livesOn(seat, worker))) elsewhere.push(idOf(vm));
      else if (seat.holder !== vm.holder) pushes.push(push(worker, idOf(vm), seat));
    }
    staleCopies.heard(worker, elsewhere);
    await Promise.all(pushes);
  };

  const wakeSeatsOf = async ({ address, state }: Worker): Promise<void> => {
    const retried = state === 'up' ? await retrySeats(database, address, [...named.keys()]) : [];
    for (const id of new Set([...retried, ...(await touchSeatsOf(database, address))])) changes.notify(id);
  };

  for (const agent of agents) {
    workers.push(
      watchWorker({
        worker: agent,
        installation: deps.installation,
        now,
        refusal(worker) {
          const twin = homes.twinOf(worker);
          if (twin === undefined) return '';
          const [here, there] = [worker, twin].map(({ address }) => new URL(address).host);
          return (
            `At ${here} answers the same agent as at ${there}, and its seats are looked after there. Name each agent ` +
            'once in WORKER_AGENTS. If these are two machines, one has a copy of the other’s data directory: give its ' +
            'agent one of its own (DATA_DIR).'
          );
        },
        onInfo: reconcile,
        onState(worker) {
          deps.onState(worker.address, worker.state, worker.problem);
          wakeSeatsOf(worker).catch(onError);
        },
        onError,
      }),
    );
  }
  const unsubscribes = [
    changes.subscribe((id) => {
      tellHolders(id).catch(onError);
    }),
    deps.keys.onChange(() => {
      for (const worker of workers) if (worker.state === 'up') workerKeys.tell(worker);
    }),
    revocations.onChange(() => {
      for (const worker of workers) if (worker.state === 'up') void tellRevoked(worker);
    }),
  ];
  await Promise.all(workers.map(({ looked }) => looked));
  offer();

  const publicOf = (worker: Worker): string | undefined =>
    named.get(worker.address)?.publicUrl ?? worker.info?.addresses.public_url ?? undefined;
  const detour = (worker: Worker): string =>
    worker.state !== 'up' || publicOf(worker) === undefined
      ? ''
      : detourReason(worker, workerKeys.verifiesOurs(worker));

  return {
    runtimes,
    installation: deps.installation,
    providerOf,
    token: (address) => named.get(address)?.token,
    publicUrl(address, reachedAt) {
      const worker = workers.find((each) => each.address === address);
      const url = worker && publicOf(worker);
      if (worker === undefined || url === undefined || detour(worker) !== '') return undefined;
      // A browser on another machine would look for it on its own.
      const elsewhere = isLoopbackUrl(url) && !isLoopbackUrl(reachedAt);
      // A page that came over TLS may not use what does not.
      const mixed = reachedAt.startsWith('https:') && !url.startsWith('https:');
      return elsewhere || mixed ? undefined : url;
    },
    publicUrls: () => [...new Set(workers.flatMap((worker) => publicOf(worker) ?? []))],
    view: () =>
      workers.map((worker) => ({
        address: worker.address,
        state: worker.state,
        problem: worker.problem || detour(worker),
        publicUrl: publicOf(worker) ?? null,
        runtime: worker.info?.runtime.name ?? null,
        version: worker.info?.version ?? null,
        draining: worker.info?.status === 'draining',
        capacity: worker.info?.capacity ?? 0,
        seatCount: worker.info?.vm_count ?? 0,
        heardAt: worker.heardAt === undefined ? null : new Date(worker.heardAt).toISOString(),
        movesAt:
          worker.lostAt === undefined ? null : new Date(worker.lostAt + deps.moveAfterMs).toISOString(),
        seats: (homes.twinOf(worker) ? [] : (worker.info?.vms ?? [])).map((vm) => ({
          workshopId: vm.workshop_id,
          seat: vm.seat_id,
          state: worker.state === 'up' ? vm.state : 'unknown',
        })),
      })),
    async close() {
      for (const unsubscribe of unsubscribes) unsubscribe();
      closing.abort();
      await Promise.all(workers.map((worker) => worker.close()));
      await staleCopies.ended();
    },
  };
}

function idOf({ workshop_id, seat_id }: Vm): SeatId {
  return { workshop: workshop_id, seat: seat_id };
}

function isLoopbackUrl(url: string): boolean {
  return isLoopback(new URL(url).hostname);
}
