/** BENCH 11: a microVM seat from nothing to its first HTTP answer, beside QEMU alone with the same kernel and disks. */
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { WorkshopId } from '@clarateach/contract/ids';
import type { SeatProvider } from '@clarateach/seats/provider';
import { uidOf } from '@clarateach/seats/providers/microvm/guest-start';
import { VmNetwork } from '@clarateach/seats/providers/microvm/network';
import { qemu } from '@clarateach/seats/providers/microvm/qemu';
import { type GuestShape, SavedGuests } from '@clarateach/seats/providers/microvm/saved-guests';
import { guestImages } from '@clarateach/seats/providers/microvm/seat-disks';
import { IMAGES, openMicrovms, specOf } from '@clarateach/seats/providers/microvm/testing';
import type { SavedGuest } from '@clarateach/seats/providers/microvm/vmm';
import { compare, options, type Result, save } from './harness.ts';
import { answers, type RawVm, rawVm } from './raw-vm.ts';

const TOGETHER = options.short ? 2 : 3;
const MIB = 1024 * 1024;
const TARGET = '≤ 1.1';
const { signal } = new AbortController();
const workshop = `ws-${randomBytes(4).toString('hex')}` as WorkshopId;
const stateDirectory = await mkdtemp(join(tmpdir(), 'clarateach-bench-'));
const installation = `bench-${workshop}`;
const vmm = await qemu('emulation');
const { snapshots } = vmm;
if (snapshots === undefined) throw new Error('This VMM saves no guests.');
const report = (line: string) => console.error(line);

const spec = (seat: number) => specOf({ workshop, seat }, { env: {} });
const shape: GuestShape = {
  images: await guestImages(IMAGES),
  memoryMiB: spec(1).limits.memoryMiB,
  cpus: spec(1).limits.cpus,
  // As the product's own seats below have them.
  changesBytes: 1_024 * MIB,
  workspaceBytes: 512 * MIB,
};
const network = new VmNetwork({ installation: `${installation}-raw`, stateDirectory, bridge: undefined });
const saved = new SavedGuests({
  ...{ vmm, snapshots, imagesDirectory: IMAGES, report },
  stateDirectory: join(stateDirectory, 'raw'),
  network: network.seat('0.0.0.0'),
  uid: uidOf('0.0.0.0'),
});
const open = (warmSeats: number, copies: boolean) =>
  openMicrovms({
    vmm: copies ? vmm : { ...vmm, snapshots: undefined },
    ...{ stateDirectory, installation, warmSeats, report },
  });
const raw: RawVm[] = [];

/** From the request of so many seats at once until the last has answered. */
async function seats(provider: SeatProvider, count: number): Promise<number> {
  const numbers = Array.from({ length: count }, (_, index) => index + 1);
  const began = performance.now();
  await Promise.all(
    numbers.map(async (seat) => {
      await provider.ensure(spec(seat), signal);
      for (;;) {
        const seen = await provider.observe({ workshop, seat }, signal);
        if (seen.state === 'running' && seen.endpoint.kind === 'tcp') return answers(seen.endpoint.host);
        if (seen.state === 'exited') throw new Error(seen.reason);
        await pause(20);
      }
    }),
  );
  const elapsed = performance.now() - began;
  for (const seat of numbers) await provider.destroy({ workshop, seat }, signal);
  return elapsed;
}

async function rawVms(count: number, guest: SavedGuest | undefined): Promise<number> {
  const vms = raw.slice(0, count);
  const began = performance.now();
  await Promise.all(vms.map((vm) => vm.start(guest)));
  const elapsed = performance.now() - began;
  for (const vm of vms) await vm.stop();
  return elapsed;
}

try {
  for (let number = 1; number <= TOGETHER; number += 1) raw.push(await rawVm(number, shape));
  const results: Result[] = [];
  const booting = await open(0, false);
  for (const count of [1, TOGETHER]) {
    results.push(
      await compare({
        name: `cold boot of ${count}, to HTTP`,
        unit: 'ms',
        product: { name: 'ClaraTeach', measure: () => seats(booting, count) },
        peer: { name: 'QEMU alone', measure: () => rawVms(count, undefined) },
        target: TARGET,
      }),
    );
  }
  await booting.close();
  const copying = await open(0, true);
  await saved.use(
    shape,
    async (guest) => {
      if (guest === undefined) throw new Error('No guest was saved.');
      for (const count of [1, TOGETHER]) {
        results.push(
          await compare({
            name: `copy of ${count}, to HTTP`,
            unit: 'ms',
            product: { name: 'ClaraTeach', measure: () => seats(copying, count) },
            peer: { name: 'QEMU alone', measure: () => rawVms(count, guest) },
            target: TARGET,
          }),
        );
      }
      await copying.close();
      const warm = await open(TOGETHER, true);
      results.push(
        await compare({
          name: `${TOGETHER} that are kept ready, to HTTP`,
          unit: 'ms',
          product: {
            name: 'ClaraTeach',
            measure: async () => {
              await ready(warm);
              return seats(warm, TOGETHER);
            },
          },
          peer: { name: 'QEMU alone', measure: () => rawVms(TOGETHER, guest) },
          target: '< 1',
        }),
      );
      await warm.close();
    },
    signal,
  );
  await save('microvm', results);
} finally {
  for (const vm of raw) await vm.remove();
  await saved.close();
  await rm(stateDirectory, { recursive: true, force: true });
}

/** Until as many guests are ready as seats will ask; the first seat of all tells what is wanted. */
async function ready(provider: SeatProvider): Promise<void> {
  if ((provider.ready?.().wanted ?? 0) === 0) await seats(provider, 1);
  const deadline = performance.now() + 240_000;
  while ((provider.ready?.().ready ?? 0) < TOGETHER) {
    if (performance.now() > deadline) throw new Error('No guests are kept ready.');
    await pause(50);
  }
}
