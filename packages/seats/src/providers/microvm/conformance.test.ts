import { seatProviderConformance } from '../../conformance.ts';
import { microvmSubject, whyNoMicrovms } from './testing.ts';

seatProviderConformance('microvm with QEMU in software', {
  skip: await whyNoMicrovms(),
  // Five guests come up at once here, in software, on processors that others use as well.
  startDeadlineMs: 90_000,
  make: microvmSubject,
});
