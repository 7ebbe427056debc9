import type { WorkshopId } from '@clarateach/contract/ids';
import { qemu } from './qemu.ts';
import { openMicrovms, specOf } from './testing.ts';

/** A server that asks for seat 1, with guests kept ready or none, and is killed meanwhile; of the tests. */
const [stateDirectory = '', installation = '', workshop = '', warm = '0'] = process.argv.slice(2);
const vmm = await qemu('emulation');
const provider = await openMicrovms({ vmm, stateDirectory, installation, warmSeats: Number(warm) });
console.log('asks');
const seat = { workshop: workshop as WorkshopId, seat: 1 };
const { signal } = new AbortController();
await provider.ensure(specOf(seat), signal);
console.log('has asked');
// A server runs on until it is killed, and looks at its seats.
setInterval(() => void provider.observe(seat, signal), 200);
