import { seatProviderConformance } from '@clarateach/seats/conformance';
import { microvmSubject, whyNoMicrovms } from '@clarateach/seats/providers/microvm/testing';
import { agentSubject } from './testing.ts';

seatProviderConformance('remote(agent(microvm))', {
  skip: await whyNoMicrovms(),
  // Guests come up in software here, on processors that others use as well.
  startDeadlineMs: 240_000,
  make: async () => agentSubject(await microvmSubject()),
});
