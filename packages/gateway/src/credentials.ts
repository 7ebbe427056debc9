import type { IncomingMessage } from 'node:http';
import { API_TOKEN_PREFIX } from '@clarateach/contract/account';
import { BEARER_PROTOCOL_PREFIX } from '@clarateach/contract/terminal';
import { TOKEN_ISSUER } from '@clarateach/contract/token';

/** What a WebSocket client offers: a token, and protocols that mean something to the seat. */
export interface OfferedProtocols {
  readonly token: string | undefined;
  readonly names: readonly string[];
}

export function offeredProtocols(req: IncomingMessage): OfferedProtocols {
  const names: string[] = [];
  let token: string | undefined;
  let several = false;
  for (const part of (req.headers['sec-websocket-protocol'] ?? '').split(',')) {
    const name = part.trim();
    if (name.startsWith(BEARER_PROTOCOL_PREFIX)) {
      several ||= token !== undefined;
      token = name.slice(BEARER_PROTOCOL_PREFIX.length);
    } else if (name !== '') names.push(name);
  }
  // Two tokens are no token: nobody should have to guess which one counts.
  return { token: several ? undefined : token, names };
}

/** The token of an `Authorization: Bearer` header. Tokens elsewhere, as in a query, are not looked for. */
export function bearerToken(req: IncomingMessage): string | undefined {
  const header = req.headers.authorization;
  return header !== undefined && /^bearer /i.test(header) ? header.slice(7).trim() : undefined;
}

/** Whether an `Authorization` header holds a token of the platform, genuine or not. */
export function holdsPlatformToken(authorization: string): boolean {
  if (authorization.includes(API_TOKEN_PREFIX)) return true;
  const payload = /\.([\w-]+)\./.exec(authorization)?.[1] ?? '';
  try {
    const claims: unknown = JSON.parse(Buffer.from(payload, 'base64url').toString());
    return (claims as { iss?: unknown } | null)?.iss === TOKEN_ISSUER;
  } catch {
    return false;
  }
}
