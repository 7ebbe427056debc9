/** BENCH 3: from the instructor's click to ten working prompts, beside ten bare containers, or VMs of their own. */
import type { WorkshopDetails } from '@clarateach/contract/workshop';
import { beside, runtime } from './beside.ts';
import { compare, options, save } from './harness.ts';
import { startPlatform } from './platform.ts';
import { openTerminal, seatAddress } from './terminal.ts';

/** VMs in software take a processor each. */
const SEATS = Number(options.seats ?? (runtime === 'docker' ? 10 : 3));

const platform = await startPlatform({ runtime });
const alone = await beside(SEATS);
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
    const elapsed = await alone.start();
    await alone.stop();
    return elapsed;
  };
  await save(runtime === 'docker' ? 'ten-seats' : `ten-seats-${runtime}`, [
    await compare({
      name: `${SEATS} seats from create to answering prompts`,
      unit: 'ms',
      product: { name: 'ClaraTeach', measure: product },
      peer: { name: alone.name, measure: peer },
      target: '≤ 1.1, then 0.5',
    }),
  ]);
} finally {
  await alone.remove();
  await platform.stop();
}
