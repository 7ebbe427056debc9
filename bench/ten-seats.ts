/** BENCH 3: from the instructor's click to ten working prompts, beside ten bare containers. */
import type { WorkshopDetails } from '@clarateach/contract/workshop';
import { removeContainers, startSleepers } from './docker.ts';
import { compare, save } from './harness.ts';
import { startPlatform } from './platform.ts';
import { openTerminal, seatAddress } from './terminal.ts';

const SEATS = 10;

const platform = await startPlatform({ runtime: 'docker' });
try {
  const product = async () => {
    const began = performance.now();
    const workshop = await platform.workshop(SEATS);
    await Promise.all(workshop.seats.map(({ seat }) => prompt(workshop, `Learner ${seat}`)));
    const elapsed = performance.now() - began;
    await platform.remove(workshop.id);
    return elapsed;
  };
  const prompt = async ({ code }: WorkshopDetails, name: string) => {
    const terminal = await openTerminal(seatAddress(await platform.join(code, name)));
    // The answer of the shell, not only its greeting.
    const answer = terminal.shows('42-ready');
    terminal.write('echo $((6*7))-ready\r');
    await answer;
    await terminal.close();
  };
  const peer = async () => {
    const began = performance.now();
    const ids = await startSleepers(SEATS);
    const elapsed = performance.now() - began;
    await removeContainers(ids);
    return elapsed;
  };
  await save('ten-seats', [
    await compare({
      name: `${SEATS} seats from create to answering prompts`,
      unit: 'ms',
      product: { name: 'ClaraTeach', measure: product },
      peer: { name: `${SEATS} sleeping containers`, measure: peer },
      target: '≤ 1.1, then 0.5',
    }),
  ]);
} finally {
  await platform.stop();
}
