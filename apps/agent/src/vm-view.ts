import type { Vm } from '@clarateach/contract/agent-api';
import { type SeatId, seatName } from '@clarateach/contract/ids';
import type { Observed } from '@clarateach/seats/provider';
import type { Holders } from './holders.ts';
import type { Owners } from './owners.ts';

/** A seat as the agent's API tells it: what was seen of it, who holds it and whose it is. */
export function vmView(
  id: SeatId,
  seen: Observed,
  { holders, owners }: { readonly holders: Holders; readonly owners: Owners },
): Vm {
  const holder = holders.of(id);
  return {
    workshop_id: id.workshop,
    seat_id: id.seat,
    name: seatName(id),
    state: vmState(seen),
    ...(seen.state === 'exited' ? { code: seen.code, reason: seen.reason } : {}),
    holder: holder?.odehash ?? null,
    holder_revision: holder?.revision ?? null,
    installation: owners.of(id),
  };
}

/** The API knows no `lost`: that is what a server says of an agent that does not answer. */
export function vmState(seen: Observed): Vm['state'] {
  return seen.state === 'lost' ? 'absent' : seen.state;
}
