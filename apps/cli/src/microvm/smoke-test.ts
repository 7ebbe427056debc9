import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { type SeatId, seatName, type WorkshopId } from '@clarateach/contract/ids';
import { FILES_PORT, TERMINAL_PORT } from '@clarateach/contract/seat-server';
import { ProviderError, type SeatProvider } from '@clarateach/seats/provider';
import { microvmProvider } from '@clarateach/seats/providers/microvm';
import { chooseVmm } from '@clarateach/seats/providers/microvm/choose-vmm';
import { askSeat, inTerminal } from '@clarateach/seats/seat-client';
import { CommandError } from '../errors.ts';
import type { Output } from '../output.ts';

const SEATS = [1, 2, 3];
const START_DEADLINE_MS = 180_000;
const TERMINAL_MS = 60_000;
const METADATA = '169.254.169.254';

/** Shows on this machine that microVM seats work and are kept apart, a line for each step; leaves nothing. */
export async function testMicrovms(
  output: Output,
  signal: AbortSignal,
  imagesDirectory: string,
): Promise<void> {
  const stateDirectory = await mkdtemp(join(tmpdir(), 'clarateach-microvm-'));
  const workshop = `ws-${randomBytes(4).toString('hex')}` as WorkshopId;
  const seats: SeatId[] = SEATS.map((seat) => ({ workshop, seat }));
  let provider: SeatProvider | undefined;
  const passed = (step: string, began: number) =>
    output.line(`ok    ${step} (${((performance.now() - began) / 1000).toFixed(1)} s)`);
  try {
    const { vmm, why } = await chooseVmm({ imagesDirectory, stateDirectory });
    output.line(`ok    ${why}`);
    const microvms = await microvmProvider({ vmm, imagesDirectory, stateDirectory, installation: workshop });
    provider = microvms;
    const hosts = await Promise.all(
      seats.map(async (id) => {
        const began = performance.now();
        const host = await start(microvms, id, signal);
        passed(`${seatName(id)} runs at ${host}`, began);
        return host;
      }),
    );
    for (const [index, host] of hosts.entries()) {
      const began = performance.now();
      const others = hosts.filter((other) => other !== host);
      await testSeat(host, others);
      passed(
        `seat ${SEATS[index]}: terminal and files answer; other seats, the host and ${METADATA} do not`,
        began,
      );
    }
    const listed = await provider.list(signal);
    if (listed.length !== seats.length) throw new CommandError(`The list has ${listed.length} seats.`);
    output.line('ok    all three are listed');
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof ProviderError) throw new CommandError(error.message, { cause: error });
    throw error;
  } finally {
    const began = performance.now();
    const { signal: always } = new AbortController();
    for (const id of (await provider?.list(always)) ?? []) await provider?.destroy(id, always);
    await provider?.close();
    await rm(stateDirectory, { recursive: true, force: true });
    if (provider) passed('all three are removed', began);
  }
}

async function start(provider: SeatProvider, id: SeatId, signal: AbortSignal): Promise<string> {
  const limits = { memoryMiB: 512, cpus: 2, processes: 512, openFiles: 4096 };
  await provider.ensure({ id, env: {}, limits }, signal);
  const deadline = performance.now() + START_DEADLINE_MS;
  for (;;) {
    const seen = await provider.observe(id, signal);
    if (seen.state === 'running' && seen.endpoint.kind === 'tcp') return seen.endpoint.host;
    if (seen.state === 'exited') throw new CommandError(`${seatName(id)} ended: ${seen.reason}`);
    if (performance.now() > deadline) throw new CommandError(`${seatName(id)} did not answer in time.`);
    await pause(50, undefined, { signal });
  }
}

async function testSeat(host: string, others: readonly string[]): Promise<void> {
  const endpoint = { kind: 'tcp', host } as const;
  const user = await inTerminal(endpoint, 'id -un', TERMINAL_MS);
  if (user !== 'learner') throw new CommandError(`The terminal of ${host} says it is ${user}.`);
  const files = await askSeat(endpoint, FILES_PORT, { path: '/files' });
  if (files.status !== 200) throw new CommandError(`The files of ${host} answer ${files.status}.`);
  const gateway = host.replace(/\d+$/, '1');
  const targets = [...others.map((other) => `${other}/${TERMINAL_PORT}`), `${gateway}/22`, `${METADATA}/80`];
  const tries = targets.map(
    (target) => `(timeout 2 bash -c '</dev/tcp/${target}' 2>/dev/null && echo ${target}) &`,
  );
  const reached = await inTerminal(endpoint, `${tries.join(' ')} wait`, TERMINAL_MS);
  if (reached !== '') throw new CommandError(`The seat at ${host} reaches ${reached}, which it must not.`);
}
