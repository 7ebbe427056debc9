import type { FastifyInstance } from 'fastify';
import type { Origins } from './origins.ts';

/** What browsers are told of every answer. */
export function mountSecurityHeaders(
  app: FastifyInstance,
  origins: Origins,
  workerOrigins: () => readonly string[],
): void {
  let known = workerOrigins().join(' ');
  let headers = securityHeaders(origins, workerOrigins());
  app.addHook('onRequest', async (_request, reply) => {
    const workers = workerOrigins();
    if (workers.join(' ') !== known) {
      known = workers.join(' ');
      headers = securityHeaders(origins, workers);
    }
    reply.headers(headers);
  });
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
    // The terminal and the editor set styles of elements as they draw.
    "style-src 'self' 'unsafe-inline'",
    "img-src 'self' data: blob:",
    "font-src 'self' data:",
    "worker-src 'self' blob:",
    ["connect-src 'self'", below, socketsBelow, ...direct].join(' '),
    ['frame-src', below, ...previews].join(' '),
    "frame-ancestors 'none'",
    "object-src 'none'",
    "base-uri 'none'",
    "form-action 'self'",
  ];
  return {
    'content-security-policy': policy.join('; '),
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'same-origin',
    'cross-origin-opener-policy': 'same-origin',
    ...(secure ? { 'strict-transport-security': 'max-age=31536000' } : {}),
  };
}
