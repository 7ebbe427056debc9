/** BENCH 4: memory of an idle seat whose learner has been at the prompt, beside a sleeping container, or a VM of its own. */
import { seatName } from '@clarateach/contract/ids';
import { beside, runtime, seatMiB } from './beside.ts';
import { compare, options, percentile, save } from './harness.ts';
import { startPlatform } from './platform.ts';
import { openTerminal, seatAddress } from './terminal.ts';

const SEATS = Number(options.seats ?? (options.short ? 3 : runtime === 'docker' ? 30 : 5));

const platform = await startPlatform({ runtime });
const alone = await beside(SEATS);
try {
  const product = async () => {
    const workshop = await platform.workshop(SEATS);
    for (const { seat } of workshop.seats) {
      const terminal = await openTerminal(seatAddress(await platform.join(workshop.code, `Learner ${seat}`)));
      const answer = terminal.shows('42-ready');
      terminal.write('echo $((6*7))-ready\r');
      await answer;
      await terminal.close();
    }
    const each = await Promise.all(
      workshop.seats.map(({ seat }) => seatMiB(seatName({ workshop: workshop.id, seat }))),
    );
    await platform.remove(workshop.id);
    return percentile(each, 0.5);
  };
  const peer = async () => {
    await alone.start();
    const each = await alone.memoryMiB();
    await alone.stop();
    return percentile(each, 0.5);
  };
  await save(runtime === 'docker' ? 'density' : `density-${runtime}`, [
    await compare({
      name: `memory of one of ${SEATS} idle seats`,
      unit: 'MiB',
      product: { name: 'ClaraTeach', measure: product },
      peer: { name: alone.name, measure: peer },
      target: '≤ 60 MiB a seat, then ≤ 1.5',
    }),
  ]);
} finally {
  await alone.remove();
  await platform.stop();
}
