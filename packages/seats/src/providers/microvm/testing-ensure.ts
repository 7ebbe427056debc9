import type { WorkshopId } from '@clarateach/contract/ids';
import { qemu } from './qemu.ts';
import { openMicrovms, specOf } from './testing.ts';

/** A server that asks for seat 1 and is killed meanwhile; of the tests. */
const [stateDirectory = '', installation = '', workshop = ''] = process.argv.slice(2);
const vmm = await qemu('emulation');
const provider = await openMicrovms({ vmm, stateDirectory, installation });
console.log('asks');
await provider.ensure(specOf({ workshop: workshop as WorkshopId, seat: 1 }), new AbortController().signal);
console.log('has asked');
