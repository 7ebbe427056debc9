import { randomInt } from 'node:crypto';
import { randomCode } from '@clarateach/contract/codes';
import { PublicError } from '@clarateach/contract/errors';
import type { WorkshopId } from '@clarateach/contract/ids';
import type { RuntimeName } from '@clarateach/contract/runtime';
import { type CreateWorkshopBody, DEFAULT_TTL_MINUTES } from '@clarateach/contract/workshop';
import { type Database, isUniqueViolation } from '../store/database.ts';
import { startSeats, type WorkshopRow } from './store.ts';

export const JOIN_CODE_LENGTH = 6;
const CODE_TRIES = 5;
const MINUTE_MS = 60_000;

interface Deps {
  readonly database: Database;
  readonly now: () => number;
  readonly seal: (apiKey: string) => string;
  /** The runtimes of this server, the default first. */
  readonly runtimes: () => readonly RuntimeName[];
}

/**
 * Makes a workshop, stopped or started. Throws `code_taken` for a join code of another workshop and
 * `invalid_input` for a runtime that this server has not.
 */
export async function makeWorkshop(
  deps: Deps,
  owner: string,
  input: CreateWorkshopBody,
): Promise<WorkshopId> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await insert(deps, owner, { ...input, code: input.code ?? randomCode(JOIN_CODE_LENGTH) });
    } catch (error) {
      if (!isUniqueViolation(error)) throw error;
      if (input.code !== undefined) {
        throw new PublicError(
          'code_taken',
          `The join code ${input.code} belongs to another workshop. Choose another, or leave it out.`,
          { field: 'code', cause: error },
        );
      }
      if (attempt === CODE_TRIES) throw error;
    }
  }
}

/** When a workshop that starts now began, and when it ends by itself. */
export function startedAt(now: number, ttlMinutes: number): { startedAt: number; endsAt: number } {
  return { startedAt: now, endsAt: now + ttlMinutes * MINUTE_MS };
}

function chooseRuntime(runtimes: readonly RuntimeName[], wanted: RuntimeName | undefined): RuntimeName {
  const [best] = runtimes;
  if (wanted === undefined && best !== undefined) return best;
  if (wanted !== undefined && runtimes.includes(wanted)) return wanted;
  throw new PublicError(
    'invalid_input',
    `This server has no ${wanted ?? ''} runtime. It can run: ${runtimes.join(', ')}.`,
    { field: 'runtime' },
  );
}

async function insert(
  { database, now, seal, runtimes }: Deps,
  owner: string,
  input: CreateWorkshopBody & { readonly code: string },
): Promise<WorkshopId> {
  const id = newWorkshopId();
  const start = input.start === true;
  const ttlMinutes = input.ttlMinutes ?? DEFAULT_TTL_MINUTES;
  const workshop: WorkshopRow = {
    id,
    code: input.code,
    name: input.name,
    ownerId: owner,
    runtime: chooseRuntime(runtimes(), input.runtime),
    image: input.image ?? null,
    apiKeySealed: input.apiKey === undefined ? null : seal(input.apiKey),
    injectApiKey: input.apiKey !== undefined && input.injectApiKey === true ? 1 : 0,
    entry: input.entry ?? 'open',
    registrationCap: input.registrationCap ?? null,
    questions: JSON.stringify(input.questions ?? []),
    seatCount: input.seats,
    ttlMinutes,
    wanted: start ? 'running' : 'stopped',
    createdAt: now(),
    ...(start ? startedAt(now(), ttlMinutes) : { startedAt: null, endsAt: null }),
    revision: 1,
    leaseHolder: null,
    leaseUntil: null,
  };
  await database.transaction(async (trx) => {
    await trx.insertInto('workshops').values(workshop).execute();
    if (start) await startSeats(trx, workshop);
  });
  return id;
}

const ID_LETTERS = 'abcdefghijklmnopqrstuvwxyz0123456789';

function newWorkshopId(): WorkshopId {
  const letters = Array.from({ length: 8 }, () => ID_LETTERS[randomInt(ID_LETTERS.length)]);
  return `ws-${letters.join('')}` as WorkshopId;
}
