import type { Database } from '../store/database.ts';
import type { Worker } from './worker.ts';

const KEY = 'worker-agent ';

/**
 * Which worker is meant by the address in a seat's row. One agent may be reached by several names, and be
 * named anew by its operator, so the database keeps which agent answered at which address.
 */
export interface Homes {
  /**
   * The worker that has the seats whose rows say this address. Undefined where it is named no more: then no
   * worker is that agent, nor may one be that has not been heard of yet.
   */
  of(address: string): Promise<Worker | undefined>;
  /** Takes in that the worker has answered as this agent. Rows with a name that it had before get the one that it has now. */
  heard(worker: Worker, agent: string): Promise<void>;
  /** Another name of the same agent that its seats are looked after by: one that is up, or else one named before. */
  twinOf(worker: Worker): Worker | undefined;
}

export function openHomes({ db }: Database, workers: readonly Worker[]): Homes {
  /** The agents that have answered, by address. */
  const known = new Map<string, string>();

  const agentAt = async (address: string): Promise<string | undefined> => {
    const here = known.get(address);
    if (here !== undefined) return here;
    const row = await db
      .selectFrom('settings')
      .select('value')
      .where('key', '=', KEY + address)
      .executeTakeFirst();
    return row?.value;
  };

  const twinOf = (worker: Worker): Worker | undefined => {
    const { id } = worker.info ?? {};
    if (id === undefined) return undefined;
    const twins = workers.filter((each) => each !== worker && each.info?.id === id);
    const before = (twin: Worker) => workers.indexOf(twin) < workers.indexOf(worker);
    return (
      twins.find((twin) => twin.state === 'up' && (before(twin) || worker.state !== 'up')) ??
      twins.find((twin) => before(twin) && twin.state !== 'down')
    );
  };

  /** The name of an agent that its seats are looked after by. */
  const nameOf = (agent: string): Worker | undefined => {
    const any = workers.find(({ info }) => info?.id === agent);
    return any && (twinOf(any) ?? any);
  };

  return {
    twinOf,

    async of(address) {
      const named = workers.find((worker) => worker.address === address);
      if (named?.info !== undefined) return twinOf(named) ?? named;
      const agent = await agentAt(address);
      const same = agent === undefined ? undefined : nameOf(agent);
      if (same || named) return same ?? named;
      if (agent === undefined) return undefined;
      for (const worker of workers) {
        if (worker.info !== undefined) continue;
        const last = await agentAt(worker.address);
        if (last === undefined || last === agent) return worker;
      }
      return undefined;
    },

    async heard({ address }, agent) {
      if (known.get(address) === agent) return;
      await db
        .insertInto('settings')
        .values({ key: KEY + address, value: agent })
        .onConflict((conflict) => conflict.column('key').doUpdateSet({ value: agent }))
        .execute();
      const names = await db
        .selectFrom('settings')
        .select('key')
        .where('key', 'like', `${KEY}%`)
        .where('value', '=', agent)
        .execute();
      const former = names
        .map(({ key }) => key.slice(KEY.length))
        .filter((name) => workers.every((worker) => worker.address !== name));
      if (former.length > 0) {
        await db.updateTable('seats').set({ worker: address }).where('worker', 'in', former).execute();
      }
      known.set(address, agent);
    },
  };
}
