import { type ApiAddress, type ApiClient, apiClient, describeApiError } from '../api-client.ts';
import { follow } from '../commands/workshop-progress.ts';
import type { Output } from '../output.ts';

const NAME = 'Demo';

/**
 * After: a workshop named Demo with so many seats runs, and every seat is ready. One of an earlier
 * start is taken again. Returns its join code; throws when seats cannot be had.
 */
export async function demoWorkshop(
  output: Output,
  address: ApiAddress,
  seats: number,
  signal: AbortSignal,
): Promise<string> {
  const client = apiClient(address);
  try {
    const { id, code } = await findOrCreate(client, seats);
    await follow(client, id, {
      output,
      signal,
      until: (phase) => phase === 'ready' || phase === 'degraded' || phase === 'failed',
    });
    const workshop = await client.workshops.show({ id });
    if (workshop.phase !== 'ready') {
      const reason = workshop.seats.find((seat) => seat.phase === 'failed')?.reason ?? '';
      throw new Error(
        `${workshop.readySeats} of ${workshop.seatCount} seats of the demo are ready. ${reason}`,
      );
    }
    return code;
  } catch (error) {
    signal.throwIfAborted();
    throw describeApiError(error, address);
  }
}

async function findOrCreate(client: ApiClient, seats: number) {
  const { workshops } = await client.workshops.list();
  const kept = workshops.find(
    (workshop) => workshop.name === NAME && workshop.seatCount === seats && workshop.phase !== 'deleting',
  );
  if (kept === undefined) {
    const made = await client.workshops.create({ query: {}, body: { name: NAME, seats, start: true } });
    return made.body;
  }
  // Of one that runs, this tries anew the seats that were given up.
  return (await client.workshops.start({ params: { id: kept.id }, query: {} })).body;
}
