import type { FastifyInstance } from 'fastify';
import type { Origins } from './origins.ts';

/** What browsers are told of every answer. */
export function mountSecurityHeaders(app: FastifyInstance, origins: Origins): void {
  const headers = securityHeaders(origins);
  app.addHook('onRequest', async (_request, reply) => {
    reply.headers(headers);
  });
}

export function securityHeaders({ publicUrl, domain }: Pick<Origins, 'publicUrl' | 'domain'>) {
  const secure = publicUrl.startsWith('https:');
  const hostName = domain.replace(/:\d+$/, '');
  const local = hostName === 'localhost';
  // Workshops and previews have origins of their own below the domain.
  const below = local ? 'http://*.localhost:*' : `${secure ? 'https' : 'http'}://*.${domain}`;
  const socketsBelow = below.replace(/^http/, 'ws');
  const policy = [
    "default-src 'self'",
    "script-src 'self'",
    // The terminal and the editor set styles of elements as they draw.
    "style-src 'self' 'unsafe-inline'",
    "img-src 'self' data: blob:",
    "font-src 'self' data:",
    "worker-src 'self' blob:",
    `connect-src 'self' ${below} ${socketsBelow}`,
    `frame-src ${below}`,
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
