import type { EntryPolicy } from '@clarateach/contract/entry';
import type { RuntimeName } from '@clarateach/contract/runtime';
import type { CreateWorkshopBody } from '@clarateach/contract/workshop';

/** What is typed into the form, as typed. */
export interface WorkshopForm {
  readonly name: string;
  readonly seats: string;
  /** Undefined: the server's default. */
  readonly runtime: RuntimeName | undefined;
  readonly code: string;
  readonly ttlMinutes: number;
  readonly apiKey: string;
  /** Puts the key into every seat. */
  readonly injectApiKey: boolean;
  readonly entry: EntryPolicy;
  readonly start: boolean;
}

export const emptyForm: WorkshopForm = {
  name: '',
  seats: '10',
  runtime: undefined,
  code: '',
  ttlMinutes: 240,
  apiKey: '',
  injectApiKey: false,
  entry: 'open',
  start: true,
};

export const FORM_FIELDS = ['name', 'seats', 'runtime', 'code', 'ttlMinutes', 'apiKey'] as const;

export const LIFETIMES: readonly { readonly minutes: number; readonly text: string }[] = [
  { minutes: 60, text: '1 hour' },
  { minutes: 120, text: '2 hours' },
  { minutes: 240, text: '4 hours' },
  { minutes: 480, text: '8 hours' },
  { minutes: 1440, text: '1 day' },
  { minutes: 4320, text: '3 days' },
  { minutes: 10_080, text: '7 days' },
];

/** What is asked of the server: fields left empty are left out, and it judges the rest. */
export function requestOf(form: WorkshopForm): CreateWorkshopBody {
  const code = form.code.trim();
  const apiKey = form.apiKey.trim();
  return {
    name: form.name,
    // Not a number becomes 0, which the server answers with the bounds.
    seats: Number.parseInt(form.seats, 10) || 0,
    ttlMinutes: form.ttlMinutes,
    start: form.start,
    ...(form.runtime === undefined ? {} : { runtime: form.runtime }),
    ...(code === '' ? {} : { code }),
    ...(apiKey === '' ? {} : { apiKey, injectApiKey: form.injectApiKey }),
    ...(form.entry === 'open' ? {} : { entry: form.entry }),
  };
}
