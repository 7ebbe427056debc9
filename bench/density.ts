/** BENCH 4: memory of an idle seat whose learner has been at the prompt, beside a sleeping container. */
import { seatName } from '@clarateach/contract/ids';
import { containerMiB, removeContainers, startSleepers } from './docker.ts';
import { compare, options, percentile, save } from './harness.ts';
import { startPlatform } from './platform.ts';
import { openTerminal, seatAddress } from './terminal.ts';

const SEATS = options.short ? 3 : 30;

const platform = await startPlatform({ runtime: 'docker' });
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
      workshop.seats.map(({ seat }) => containerMiB(seatName({ workshop: workshop.id, seat }))),
    );
    await platform.remove(workshop.id);
    return percentile(each, 0.5);
  };
  const peer = async () => {
    const ids = await startSleepers(SEATS);
    const each = await Promise.all(ids.map(containerMiB));
    await removeContainers(ids);
    return percentile(each, 0.5);
  };
  await save('density', [
    await compare({
      name: `memory of one of ${SEATS} idle seats`,
      unit: 'MiB',
      product: { name: 'ClaraTeach', measure: product },
      peer: { name: 'sleeping container', measure: peer },
      target: '≤ 60 MiB a seat, then ≤ 1.5',
    }),
  ]);
} finally {
  await platform.stop();
}
