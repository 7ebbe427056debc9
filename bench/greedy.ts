/** BENCH 7: what one learner's flood does to the typing of the others, beside the same room without it. */
import { compare, options, save } from './harness.ts';
import { startPlatform } from './platform.ts';
import { openTerminal, seatAddress } from './terminal.ts';
import { typingAt } from './typing.ts';

const TYPISTS = options.short ? 2 : 9;
const KEYS = options.short ? 10 : 60;
const FLOODED_BYTES = 1_000_000;

const platform = await startPlatform({ runtime: 'docker' });
try {
  const workshop = await platform.workshop(TYPISTS + 1);
  const [greedy, ...others] = await Promise.all(
    workshop.seats.map(({ seat }) => platform.join(workshop.code, `Learner ${seat}`)),
  );
  if (greedy === undefined) throw new Error('The workshop has no seats.');
  const othersTyping = async () =>
    (await typingAt(() => others.map((session) => openTerminal(seatAddress(session))), KEYS)).p99;

  const besideFlood = async () => {
    const terminal = await openTerminal(seatAddress(greedy));
    terminal.write('clear; yes\r');
    let bytes = 0;
    const flooding = terminal.until((chunk) => {
      bytes += chunk.length;
      return bytes > FLOODED_BYTES;
    });
    await flooding;
    const p99 = await othersTyping();
    const stopped = terminal.shows('42-stopped');
    terminal.write('\u0003\u0015echo $((6*7))-stopped\r');
    await stopped;
    await terminal.close();
    return p99;
  };

  await save('greedy', [
    await compare({
      name: `typing p99 of ${TYPISTS} learners beside one that floods`,
      unit: 'ms',
      product: { name: 'with the flood', measure: besideFlood },
      peer: { name: 'idle room', measure: othersTyping },
      target: '≤ 1.1',
    }),
  ]);
} finally {
  await platform.stop();
}
