import type { EntrySettings, Question, RegistrationView } from '@clarateach/contract/entry';
import type { WorkshopRow } from '../workshops/store.ts';
import type { RegistrationRow } from './store.ts';

/** How learners come into a workshop, from its row. */
export function settingsOf({ entry, registrationCap, questions }: WorkshopRow): EntrySettings {
  return { entry, registrationCap, questions: JSON.parse(questions) as Question[] };
}

/** All of a workshop's registrations, in their order, as its instructors see them. */
export function viewsOf(rows: readonly RegistrationRow[]): RegistrationView[] {
  let place = 0;
  return rows.map((row) => viewOf(row, row.state === 'waiting' ? ++place : null));
}

/** `place`: on the waiting list, counted from 1. */
export function viewOf(row: RegistrationRow, place: number | null): RegistrationView {
  return {
    id: row.id,
    name: row.name,
    email: row.email,
    answers: JSON.parse(row.answers) as Record<string, string>,
    source: row.source,
    state: row.state,
    place,
    accessCode: row.accessCode,
    registeredAt: new Date(row.registeredAt).toISOString(),
    cameAt: row.cameAt === null ? null : new Date(row.cameAt).toISOString(),
    seat: row.seat,
  };
}
