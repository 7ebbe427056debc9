/** BENCH 2: from a join to the first byte of the prompt in a warm seat, beside a paused container that is thawed for it. */
import { docker, removeContainers, startSleepers, unpauseToPrompt } from './docker.ts';
import { compare, options, percentile, save } from './harness.ts';
import { startPlatform } from './platform.ts';
import { openTerminal, seatAddress } from './terminal.ts';

const LEARNERS = options.short ? 2 : 10;

const platform = await startPlatform({ runtime: 'docker' });
try {
  const product = async () => {
    const { id, code } = await platform.workshop(LEARNERS);
    const times: number[] = [];
    for (let learner = 1; learner <= LEARNERS; learner++) {
      const began = performance.now();
      const terminal = await openTerminal(seatAddress(await platform.join(code, `Learner ${learner}`)));
      await terminal.first;
      times.push(performance.now() - began);
      // It is a prompt only if a shell answers at it.
      const answer = terminal.shows('42-ready');
      terminal.write('echo $((6*7))-ready\r');
      await answer;
      await terminal.close();
    }
    await platform.remove(id);
    return percentile(times, 0.99);
  };
  const peer = async () => {
    const ids = await startSleepers(LEARNERS);
    try {
      const times: number[] = [];
      // All first: the engine still says "paused" of a container that is thawed right after.
      for (const id of ids) await docker.getContainer(id).pause();
      for (const id of ids) times.push(await unpauseToPrompt(id));
      return percentile(times, 0.99);
    } finally {
      await removeContainers(ids);
    }
  };
  await save('join-to-prompt', [
    await compare({
      name: `join to prompt in a warm seat, p99 of ${LEARNERS}`,
      unit: 'ms',
      product: { name: 'ClaraTeach', measure: product },
      peer: { name: 'docker unpause + exec', measure: peer },
      target: '≤ 0.5, and 25 ms',
    }),
  ]);
} finally {
  await platform.stop();
}
