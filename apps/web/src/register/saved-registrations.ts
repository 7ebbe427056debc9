import type { OwnRegistration } from '@clarateach/contract/entry';

/** What this browser keeps of a registration, so that a reload shows the access code again. */
export type SavedRegistration = Pick<OwnRegistration, 'accessCode' | 'name'>;

const keyOf = (workshopId: string) => `clarateach.registration.${workshopId}`;

export function savedRegistration(workshopId: string): SavedRegistration | undefined {
  try {
    const value = JSON.parse(localStorage.getItem(keyOf(workshopId)) ?? 'null') as Partial<SavedRegistration>;
    return typeof value?.accessCode === 'string' && typeof value.name === 'string'
      ? { accessCode: value.accessCode, name: value.name }
      : undefined;
  } catch {
    // Blocked or damaged storage holds nothing.
    return undefined;
  }
}

export function saveRegistration(workshopId: string, { accessCode, name }: SavedRegistration): void {
  try {
    localStorage.setItem(keyOf(workshopId), JSON.stringify({ accessCode, name }));
  } catch {
    // The code is on the page, and the learner writes it down.
  }
}

export function forgetRegistration(workshopId: string): void {
  try {
    localStorage.removeItem(keyOf(workshopId));
  } catch {
    // Nothing was kept.
  }
}
