import { lstat } from 'node:fs/promises';
import { type SeatId, seatName } from '@clarateach/contract/ids';
import { ProviderError } from '../../provider.ts';
import { listSeats, SeatFiles } from './seat-files.ts';

/** Seats that root starts run under uids from here on, each under its own. */
const FIRST_UID = 64_000;
const LAST_UID = 65_533;

/** Users of this machine, one for each seat, when root starts them: a sandbox's user is never root outside. */
export interface SeatUsers {
  /** The uid of the seat; the same until it is released. Throws `capacity` when all are taken. */
  take(id: SeatId): number;
  release(id: SeatId): void;
}

/** Begins with the users that own the files of the seats below `root`. */
export async function seatUsers(root: string): Promise<SeatUsers> {
  const uids = new Map<string, number>();
  for (const id of await listSeats(root)) {
    const owner = (await lstat(new SeatFiles(root, id).workspace).catch(() => undefined))?.uid;
    if (owner === undefined || owner < FIRST_UID || owner > LAST_UID) continue;
    if (![...uids.values()].includes(owner)) uids.set(seatName(id), owner);
  }
  return {
    take(id) {
      const known = uids.get(seatName(id));
      if (known !== undefined) return known;
      const taken = new Set(uids.values());
      for (let uid = FIRST_UID; uid <= LAST_UID; uid++) {
        if (taken.has(uid)) continue;
        uids.set(seatName(id), uid);
        return uid;
      }
      throw new ProviderError(
        'capacity',
        'All users of this machine that seats run under are taken by other seats.',
      );
    },
    release(id) {
      uids.delete(seatName(id));
    },
  };
}
