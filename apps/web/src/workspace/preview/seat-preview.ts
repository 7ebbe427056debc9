import { askSeat } from '../files/seat-files.ts';
import type { SeatPass } from '../seat-pass.ts';
import { seatAccess } from '../use-seat.ts';

const call = (pass: SeatPass, init: RequestInit) =>
  askSeat((refused) => seatAccess(pass, refused), '/preview', init);

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
