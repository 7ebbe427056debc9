import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Pass } from './admission.ts';
import type { Clock } from './ports.ts';

const TICKET_LIFETIME_MS = 30_000;

/** A learner's right to see one port of their seat. */
export interface PreviewPass extends Pass {
  readonly port: number;
}

interface Sealed extends PreviewPass {
  /** Unique for a ticket, empty for a cookie. */
  readonly nonce: string;
  /** Milliseconds since the epoch after which a ticket is good for nothing; 0 for a cookie. */
  readonly until: number;
}

/**
 * Tickets, which open a preview once, and cookies, which keep it open. Both say all by themselves,
 * signed with a secret that all servers share; that a ticket was used is known to the server that took it.
 */
export interface PreviewPasses {
  ticket(pass: PreviewPass): string;
  /** What a ticket stands for, the first time within its 30 seconds. */
  redeem(ticket: string): PreviewPass | undefined;
  cookie(pass: PreviewPass): string;
  /** What a cookie stands for, until the seat token behind it expires. */
  read(cookie: string): PreviewPass | undefined;
}

export function createPreviewPasses({
  secret,
  clock,
}: {
  secret: string | Buffer;
  clock: Clock;
}): PreviewPasses {
  const used = new Map<string, number>();

  function sign(kind: string, payload: string): Buffer {
    return createHmac('sha256', secret).update(`clarateach-preview-${kind}.${payload}`).digest();
  }

  function seal(kind: 'ticket' | 'cookie', pass: PreviewPass): string {
    const { workshopId, seat, port, odehash, iat, exp, kid } = pass;
    const nonce = kind === 'ticket' ? randomBytes(16).toString('base64url') : '';
    const until = kind === 'ticket' ? clock() + TICKET_LIFETIME_MS : 0;
    const value: Sealed = { workshopId, seat, port, odehash, iat, exp, kid, nonce, until };
    const payload = Buffer.from(JSON.stringify(value)).toString('base64url');
    return `${payload}.${sign(kind, payload).toString('base64url')}`;
  }

  function unseal(kind: 'ticket' | 'cookie', sealed: string): Sealed | undefined {
    const [payload = '', signature = '', ...more] = sealed.split('.');
    const given = Buffer.from(signature, 'base64url');
    const right = sign(kind, payload);
    if (more.length > 0 || given.length !== right.length || !timingSafeEqual(given, right)) return undefined;
    // Signed, so it is what `seal` made.
    const value = JSON.parse(Buffer.from(payload, 'base64url').toString()) as Sealed;
    return value.exp * 1000 > clock() ? value : undefined;
  }

  return {
    ticket: (pass) => seal('ticket', pass),
    cookie: (pass) => seal('cookie', pass),
    read: (cookie) => unseal('cookie', cookie),
    redeem(ticket) {
      const value = unseal('ticket', ticket);
      const now = clock();
      for (const [nonce, until] of used) {
        if (until > now) break;
        used.delete(nonce);
      }
      if (!value || value.until <= now || used.has(value.nonce)) return undefined;
      used.set(value.nonce, value.until);
      return value;
    },
  };
}
