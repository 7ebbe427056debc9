import { z } from 'zod';
import { seatNumber, workshopId } from './ids.ts';

/** What paths below `/api/workshops` name. */
export const byId = z.object({ id: workshopId });
export const bySeat = byId.extend({ seat: seatNumber });
