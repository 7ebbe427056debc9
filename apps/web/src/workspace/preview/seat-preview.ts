import { offline, responseError } from '../../api/api-error.ts';
import { withSeatToken } from '../files/seat-files.ts';
import type { SeatPass } from '../seat-pass.ts';
import { seatAccess } from '../use-seat.ts';

async function call(pass: SeatPass, init: RequestInit): Promise<Response> {
  const response = await withSeatToken(
    (refused) => seatAccess(pass, refused),
    async ({ base, token }) => {
      try {
        return await fetch(`${base}/preview`, {
          ...init,
          headers: { ...(init.headers as Record<string, string>), Authorization: `Bearer ${token}` },
          cache: 'no-store',
        });
      } catch (error) {
        throw offline(error);
      }
    },
  );
  if (!response.ok) throw await responseError(response);
  return response;
}

/** The ports on which the learner's own programs listen. */
export async function listeningPorts(pass: SeatPass): Promise<number[]> {
  const { ports } = (await (await call(pass, {})).json()) as { ports: number[] };
  return [...ports].sort((a, b) => a - b);
}

/** An address that shows the port, good once and for 30 seconds. */
export async function previewUrl(pass: SeatPass, port: number): Promise<string> {
  const response = await call(pass, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ port }),
  });
  return ((await response.json()) as { url: string }).url;
}
