import type { Instructor } from '@clarateach/bench/platform';
import { openTerminal, seatAddress, type Terminal } from '@clarateach/bench/terminal';
import type { SeatSession } from '@clarateach/contract/join';
import { eventually } from './up.ts';

const ANSWER_MS = 60_000;

/** Runs a command in the learner's shell, over a connection of its own, and gives the first line that it prints. */
export async function answer(session: SeatSession, command: string): Promise<string> {
  const terminal = await openTerminal(seatAddress(session), { cols: 200, rows: 30 });
  try {
    return await ask(terminal, command);
  } finally {
    await terminal.close();
  }
}

/** The same over a connection that is open. The command runs in the shell itself, so its variables stay. */
export async function ask(terminal: Terminal, command: string): Promise<string> {
  const mark = Math.random().toString(36).slice(2);
  let text = '';
  const done = terminal.until((chunk) => {
    text += chunk.toString();
    return text.includes(`${mark}:end`);
  });
  // The marks are put together by the shell, so that the echo of the typed line is not taken for the answer.
  terminal.write(
    `clear; { ${command}; } > /tmp/${mark} 2>&1; printf '%s%s%s%s%s\\n' ${mark} : "$(head -n 1 /tmp/${mark})" ${mark} :end; rm /tmp/${mark}\r`,
  );
  await withDeadline(done, ANSWER_MS, () => `The shell did not answer "${command}" in time: ${text}`);
  return text.split(`${mark}:`).at(-2)?.split(mark)[0] ?? '';
}

async function withDeadline<T>(promise: Promise<T>, ms: number, late: () => string): Promise<T> {
  const { promise: deadline, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(late())), ms);
  try {
    return await Promise.race([promise, deadline]);
  } finally {
    clearTimeout(timer);
  }
}

/** Comes back by the return code, as soon as the seat takes people in. */
export async function rejoin(
  { api }: Instructor,
  code: string,
  { odehash, name }: SeatSession,
): Promise<SeatSession> {
  let session: SeatSession | undefined;
  await eventually('the learner is let in again', async () => {
    session = await api<SeatSession>('POST', '/api/join', { code, name, odehash }).catch(() => undefined);
    return session !== undefined;
  });
  return session as SeatSession;
}

/** A seat that has just come back may refuse the first connections. */
export async function eventualAnswer(session: SeatSession, command: string): Promise<string> {
  let line: string | undefined;
  await eventually(`the seat answers ${command}`, async () => {
    line = await answer(session, command).catch(() => undefined);
    return line !== undefined;
  });
  return line as string;
}
