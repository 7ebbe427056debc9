import { useEffect, useMemo, useState } from 'react';
import { join, renew } from '../api/learner.ts';
import { browserSeats } from '../join/browser-seats.ts';
import type { SavedSeat } from '../join/saved-seats.ts';
import type { Workspace } from './context.ts';
import { OpenFiles } from './editor/open-files.ts';
import { FileChanges } from './files/file-changes.ts';
import { seatFiles } from './files/seat-files.ts';
import { seatBase, socketUrl } from './seat-address.ts';
import type { SeatLoss } from './seat-pass.ts';
import { SeatLostError, SeatPass } from './seat-pass.ts';

/** Where the seat is, and a token for it: another one than `refused`, where that is given. */
export async function seatAccess(pass: SeatPass, refused?: string): Promise<{ base: string; token: string }> {
  const session = refused === undefined ? await pass.fresh() : await pass.insteadOf(refused);
  return { base: seatBase(session, window.location.href), token: session.token };
}

/** Everything a workspace works with, made once for a seat; renews its token in the background. */
export function useSeat(saved: SavedSeat, onLost: (loss: SeatLoss) => void): Workspace {
  const [session, setSession] = useState(saved.session);

  const parts = useMemo(() => {
    const pass = new SeatPass({
      saved,
      renew,
      join,
      save: (seat) => {
        browserSeats.save(seat);
        setSession(seat.session);
      },
      now: Date.now,
    });
    const files = seatFiles((refused) => seatAccess(pass, refused));
    const changes = new FileChanges(async (refused) => {
      const { base, token } = await seatAccess(pass, refused);
      return { url: socketUrl(base, '/files/watch'), token };
    });
    return { pass, files, changes, openFiles: new OpenFiles(files) };
  }, [saved]);
  // Tabs follow the seat whether or not the files are shown beside them.
  useEffect(() => parts.changes.subscribe((told) => parts.openFiles.told(told)), [parts]);
  useEffect(() => {
    const { pass } = parts;
    let timer: ReturnType<typeof setTimeout>;
    const wait = (ms: number) => {
      timer = setTimeout(() => {
        pass.renew().catch((error: unknown) => {
          if (error instanceof SeatLostError) onLost(error.loss);
          else wait(15_000);
        });
      }, ms);
    };
    wait(pass.renewalDelayMs());
    return () => clearTimeout(timer);
  }, [parts, session.token, onLost]);

  return useMemo(() => ({ ...parts, session }), [parts, session]);
}
