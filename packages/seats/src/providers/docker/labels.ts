import { type SeatId, workshopId } from '@clarateach/contract/ids';
import { ProviderError } from '../../provider.ts';

const INSTALLATION = 'clarateach.installation';
const WORKSHOP = 'clarateach.workshop';
const SEAT = 'clarateach.seat';

export type Labels = Readonly<Record<string, string>>;

/** On all that belongs to an installation: two of them on one engine never touch each other's. */
export function installationLabels(installation: string): Labels {
  return { [INSTALLATION]: installation };
}

export function seatLabels(installation: string, seat: SeatId): Labels {
  return {
    ...installationLabels(installation),
    [WORKSHOP]: seat.workshop,
    [SEAT]: String(seat.seat),
  };
}

/** Whether something with these labels was made for this very seat of this installation. */
export function carries(labels: Labels | null | undefined, wanted: Labels): boolean {
  return Object.entries(wanted).every(([name, value]) => labels?.[name] === value);
}

/** The seat that something was made for; undefined for what is no seat's. */
export function seatOf(labels: Labels | null | undefined): SeatId | undefined {
  const workshop = workshopId.safeParse(labels?.[WORKSHOP]);
  const seat = Number(labels?.[SEAT]);
  return workshop.success && Number.isInteger(seat) && seat > 0
    ? { workshop: workshop.data, seat }
    : undefined;
}

/** A filter for the engine's lists. */
export function labelFilter(labels: Labels): { label: string[] } {
  return { label: Object.entries(labels).map(([name, value]) => `${name}=${value}`) };
}

/** Refuses a thing of the engine that has a name of ours and not our labels. */
export function foreign(what: string, name: string): ProviderError {
  return new ProviderError(
    'rejected',
    `The engine has a ${what} ${name} that this installation did not make. Remove it, or use another engine.`,
  );
}
