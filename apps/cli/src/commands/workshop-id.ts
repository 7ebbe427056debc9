import { type WorkshopId, workshopId } from '@clarateach/contract/ids';
import { UsageError } from '../errors.ts';

export function parseWorkshopId(text: string): WorkshopId {
  const parsed = workshopId.safeParse(text);
  if (!parsed.success)
    throw new UsageError(`${text} is not a workshop id: ws- and 8 lower-case letters or digits.`);
  return parsed.data;
}
