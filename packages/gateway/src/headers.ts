import { connectionNames, type ResponseHead } from './http-head.ts';

/** Names that are about one connection, and framing that each hop writes for itself. */
const HOP = [
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
];

/**
 * What a seat must not see: who came from where, and anything that opens a door of the platform.
 * `http2-settings` and `expect` are answered by the server itself.
 */
const NEVER_TO_SEAT = [
  ...HOP,
  'host',
  'authorization',
  'content-length',
  'expect',
  'forwarded',
  'http2-settings',
  'sec-websocket-accept',
  'via',
  'x-real-ip',
];

const TO_SEAT_DROPPED = new Set([
  ...NEVER_TO_SEAT,
  'cookie',
  'origin',
  'referer',
  'sec-websocket-extensions',
  'sec-websocket-protocol',
]);
const TO_PREVIEW_DROPPED = new Set([...NEVER_TO_SEAT, 'cookie', 'origin', 'referer']);

/** On the platform's own origin a seat sets no cookies, no policies and no CORS. */
const FROM_SEAT_DROPPED = new Set([
  ...HOP,
  'alt-svc',
  'clear-site-data',
  'content-security-policy',
  'content-security-policy-report-only',
  'cross-origin-resource-policy',
  'link',
  'nel',
  'public-key-pins',
  'refresh',
  'report-to',
  'reporting-endpoints',
  'server',
  'service-worker-allowed',
  'set-cookie',
  'set-cookie2',
  'sourcemap',
  'strict-transport-security',
  'vary',
  'x-content-type-options',
  'x-powered-by',
]);

/** On its own origin a learner's server may set what it likes, but for what reaches beyond that origin. */
const FROM_PREVIEW_DROPPED = new Set([
  ...HOP,
  'alt-svc',
  'clear-site-data',
  'public-key-pins',
  'strict-transport-security',
  'x-frame-options',
]);

function isForwarding(name: string): boolean {
  return name.startsWith('x-forwarded-');
}

function requestHeaders(
  raw: readonly string[],
  connection: string | undefined,
  dropped: Set<string>,
): string {
  const hopNames = connection === undefined ? undefined : connectionNames(connection);
  let text = '';
  for (let index = 0; index < raw.length; index += 2) {
    const name = raw[index] as string;
    const lower = name.toLowerCase();
    if (dropped.has(lower) || isForwarding(lower) || hopNames?.has(lower)) continue;
    text += `${name}: ${raw[index + 1]}\r\n`;
  }
  return text;
}

/** A client's headers as a seat's own servers may see them, each with its line end. */
export function headersToSeat(raw: readonly string[], connection: string | undefined): string {
  return requestHeaders(raw, connection, TO_SEAT_DROPPED);
}

/** A client's headers as a learner's server may see them; authorization, cookie, origin and referer are the caller's to add. */
export function headersToPreview(raw: readonly string[], connection: string | undefined): string {
  return requestHeaders(raw, connection, TO_PREVIEW_DROPPED);
}

function responseHeaders(head: ResponseHead, dropped: Set<string>): string[] {
  const kept: string[] = [];
  for (let index = 0; index < head.headers.length; index += 2) {
    const name = head.headers[index] as string;
    const lower = name.toLowerCase();
    if (dropped.has(lower) || head.hopNames?.has(lower)) continue;
    kept.push(name, head.headers[index + 1] as string);
  }
  return kept;
}

/** A seat's headers for the platform's origin: bytes to look at, never a page that runs. */
export function headersFromSeat(head: ResponseHead): string[] {
  const kept: string[] = [
    'X-Content-Type-Options',
    'nosniff',
    'Content-Security-Policy',
    "sandbox; default-src 'none'; frame-ancestors 'none'",
    'Cross-Origin-Resource-Policy',
    'same-site',
  ];
  const { headers, hopNames } = head;
  for (let index = 0; index < headers.length; index += 2) {
    const name = headers[index] as string;
    const lower = name.toLowerCase();
    if (FROM_SEAT_DROPPED.has(lower) || hopNames?.has(lower) || lower.startsWith('access-control-')) continue;
    kept.push(name, headers[index + 1] as string);
  }
  return kept;
}

/** A learner's server's headers for its preview's origin; cookies and addresses are the caller's to rewrite. */
export function headersFromPreview(head: ResponseHead): string[] {
  return responseHeaders(head, FROM_PREVIEW_DROPPED);
}
