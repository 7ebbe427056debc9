import type { FastifyInstance } from 'fastify';
import type { Origins } from './origins.ts';

/** What no page here uses, and therefore no script that got into one either. */
const UNUSED_FEATURES = [
  'accelerometer',
  'bluetooth',
  'browsing-topics',
  'camera',
  'display-capture',
  'geolocation',
  'gyroscope',
  'hid',
  'idle-detection',
  'local-fonts',
  'magnetometer',
  'microphone',
  'midi',
  'payment',
  'publickey-credentials-get',
  'screen-wake-lock',
  'serial',
  'usb',
  'xr-spatial-tracking',
];

/** An answer that is no page: should a browser be made to show it, nothing in it runs or is framed. */
const NO_PAGE_POLICY = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

/** The policy of a page whose own script and style elements carry the nonce. */
export type PagePolicy = (nonce: string) => string;

/** Tells browsers what to do with every answer. Pages replace the policy by one with their nonce. */
export function mountSecurityHeaders(
  app: FastifyInstance,
  origins: Origins,
  workerOrigins: () => readonly string[],
): PagePolicy {
  let known = workerOrigins().join(' ');
  let headers = securityHeaders(origins, workerOrigins());
  const current = () => {
    const workers = workerOrigins();
    if (workers.join(' ') !== known) {
      known = workers.join(' ');
      headers = securityHeaders(origins, workers);
    }
    return headers;
  };
  app.addHook('onRequest', async (request, reply) => {
    reply.headers(current());
    if (/^\/(api|\.well-known|metrics)(\/|\?|$)/.test(request.url)) {
      reply.header('content-security-policy', NO_PAGE_POLICY);
    }
    // Scripts and styles are no documents: for them it would only be bytes, before the terminal works.
    if (request.url.startsWith('/assets/')) reply.removeHeader('permissions-policy');
  });
  return (nonce) => withNonce(current()['content-security-policy'], nonce);
}

/**
 * The page's one script that is in it, and style elements that libraries make as they go, have the page's
 * nonce; all others do nothing.
 */
function withNonce(policy: string, nonce: string): string {
  return policy.replace(/(script|style)-src 'self'/g, `$& 'nonce-${nonce}'`);
}

/** `workers`: origins of machines that pages reach seats at, and below which previews have theirs. */
export function securityHeaders(
  { publicUrl, domain }: Pick<Origins, 'publicUrl' | 'domain'>,
  workers: readonly string[] = [],
) {
  const secure = publicUrl.startsWith('https:');
  const hostName = domain.replace(/:\d+$/, '');
  const local = hostName === 'localhost';
  // Workshops and previews have origins of their own below the domain.
  const below = local ? 'http://*.localhost:*' : `${secure ? 'https' : 'http'}://*.${domain}`;
  const socketsBelow = below.replace(/^http/, 'ws');
  const direct = workers.flatMap((origin) => [origin, origin.replace(/^http/, 'ws')]);
  const previews = workers.map((origin) => origin.replace('://', '://*.'));
  const policy = [
    "default-src 'self'",
    "script-src 'self'",
    "script-src-attr 'none'",
    "style-src 'self'",
    // The editor places its lines by style attributes, which select nothing and load nothing.
    "style-src-attr 'unsafe-inline'",
    "img-src 'self' data: blob:",
    "font-src 'self'",
    "worker-src 'self'",
    ["connect-src 'self'", below, socketsBelow, ...direct].join(' '),
    ['frame-src', below, ...previews].join(' '),
    "manifest-src 'self'",
    "media-src 'self' blob:",
    "frame-ancestors 'none'",
    "object-src 'none'",
    "base-uri 'none'",
    "form-action 'self'",
  ];
  return {
    'content-security-policy': policy.join('; '),
    'x-content-type-options': 'nosniff',
    // For browsers that do not know `frame-ancestors`.
    'x-frame-options': 'DENY',
    'referrer-policy': 'same-origin',
    'cross-origin-opener-policy': 'same-origin',
    'cross-origin-resource-policy': 'same-site',
    'permissions-policy': UNUSED_FEATURES.map((feature) => `${feature}=()`).join(', '),
    ...(secure ? { 'strict-transport-security': 'max-age=31536000' } : {}),
  };
}
