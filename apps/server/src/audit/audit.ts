import { createHmac, randomBytes } from 'node:crypto';
import type { AuditActorKind, AuditOutcome, AuditTargetKind } from '@clarateach/contract/audit';
import type { WorkshopId } from '@clarateach/contract/ids';
import type { AuditLogTable } from '../store/audit-schema.ts';
import type { Database } from '../store/database.ts';
import { plainText } from './plain-text.ts';

/** Long enough that the lines of a class are written after it has its answers, and not between them. */
const FLUSH_MS = 100;
const ROWS_AT_ONCE = 50;
/** While the database is away so many lines wait; the oldest of more are lost, and that is reported. */
const MAX_WAITING = 10_000;
const RETRY_MS = 2_000;
const SWEEP_MS = 60 * 60 * 1000;
const DAY_MS = 24 * 60 * 60 * 1000;

interface Named<Kind> {
  readonly kind: Kind;
  readonly id?: string | null;
  readonly name?: string;
}

/** What happened. Texts may be as people typed them: control characters and credentials are taken out here. */
export interface AuditEvent {
  readonly actor: Named<AuditActorKind>;
  /** Such as `workshop.created`. */
  readonly action: string;
  /** `done` when left out. */
  readonly outcome?: AuditOutcome;
  readonly workshopId?: WorkshopId;
  readonly target?: Named<AuditTargetKind>;
  /** Network address of whoever asked. */
  readonly address?: string;
  readonly details?: Readonly<Record<string, string | number | boolean>>;
}

/** Who did what. Lines are only ever added; nothing here changes one. */
export interface Audit {
  /**
   * Writes down what happened, after it has happened. Lines that come together are written together;
   * resolves when this one is in the database. Never rejects: what is done is done, and a log that
   * cannot be written is reported beside it and tried again.
   */
  record(event: AuditEvent): Promise<void>;
  /** Resolves when what was recorded so far is in the database. */
  written(): Promise<void>;
  /** The name of a learner in the log: it tells nobody the return code, and the same code always has the same. */
  pseudonym(workshopId: WorkshopId, odehash: string): string;
  /** Writes what still waits. */
  close(): Promise<void>;
}

export function createAudit(deps: {
  readonly database: Database;
  /** 32 bytes that make pseudonyms. */
  readonly secret: Buffer;
  readonly now: () => number;
  /** Days that a line is kept. */
  readonly keepDays: number;
  readonly onError: (error: unknown) => void;
}): Audit {
  const { database, now } = deps;
  const waiting: {
    readonly row: AuditLogTable;
    readonly done: () => void;
    readonly written: Promise<void>;
  }[] = [];
  let timer: NodeJS.Timeout | undefined;
  let writing: Promise<void> | undefined;
  let failing = false;
  let closing = false;

  const write = async (): Promise<void> => {
    while (waiting.length > 0) {
      const batch = waiting.slice(0, ROWS_AT_ONCE);
      try {
        await database.db
          .insertInto('auditLog')
          .values(batch.map(({ row }) => row))
          // Written already, by a try whose answer was lost.
          .onConflict((conflict) => conflict.column('id').doNothing())
          .execute();
      } catch (error) {
        // Reported once an outage.
        if (!failing) deps.onError(error);
        failing = true;
        if (!closing) plan(RETRY_MS);
        return;
      }
      failing = false;
      for (const { done } of waiting.splice(0, batch.length)) done();
    }
  };
  const plan = (ms: number): void => {
    timer ??= setTimeout(() => {
      timer = undefined;
      writing = (writing ?? Promise.resolve()).then(write);
    }, ms);
  };

  const sweep = async (): Promise<void> => {
    try {
      await database.db
        .deleteFrom('auditLog')
        .where('at', '<', now() - deps.keepDays * DAY_MS)
        .execute();
    } catch (error) {
      deps.onError(error);
    }
  };
  let sweeping = sweep();
  const sweeper = setInterval(() => {
    sweeping = sweep();
  }, SWEEP_MS).unref();

  return {
    record(event) {
      const { promise: written, resolve: done } = Promise.withResolvers<void>();
      waiting.push({ row: rowOf(event, now()), done, written });
      if (waiting.length > MAX_WAITING) {
        waiting.shift()?.done();
        deps.onError(new Error('A line of the audit log is lost: the database has been away for too long.'));
      }
      plan(FLUSH_MS);
      return written;
    },

    written: async () => waiting.at(-1)?.written,

    pseudonym: (workshopId, odehash) =>
      createHmac('sha256', deps.secret).update(`${workshopId} ${odehash}`).digest('base64url').slice(0, 22),

    async close() {
      closing = true;
      clearInterval(sweeper);
      clearTimeout(timer);
      timer = undefined;
      await sweeping;
      await writing;
      await write();
      for (const { done } of waiting.splice(0)) done();
    },
  };
}

let lastId = { at: 0, count: 0 };

/** Grows with time, also within a millisecond of this process; other servers' lines fall in between. */
function newId(at: number): string {
  lastId = at > lastId.at ? { at, count: 0 } : { at: lastId.at, count: lastId.count + 1 };
  const time = lastId.at.toString(36).padStart(9, '0');
  const count = lastId.count.toString(36).padStart(4, '0');
  return `${time}${count}${randomBytes(6).toString('hex')}`;
}

function rowOf(event: AuditEvent, at: number): AuditLogTable {
  const { actor, target, details = {} } = event;
  return {
    id: newId(at),
    at,
    action: plainText(event.action),
    outcome: event.outcome ?? 'done',
    actorKind: actor.kind,
    actorId: actor.id ?? null,
    actorName: plainText(actor.name ?? ''),
    workshopId: event.workshopId ?? null,
    targetKind: target?.kind ?? null,
    targetId: target?.id ?? null,
    targetName: plainText(target?.name ?? ''),
    address: event.address === undefined ? null : plainText(event.address),
    details: JSON.stringify(
      Object.fromEntries(
        Object.entries(details).map(([name, value]) => [
          name,
          typeof value === 'string' ? plainText(value) : value,
        ]),
      ),
    ),
  };
}
