import { seatName } from '@clarateach/contract/ids';
import { seatProviderConformance } from '../../conformance.ts';
import { makeInstallation, specOf, whyNoMicrovms } from './testing.ts';

seatProviderConformance('microvm with QEMU in software', {
  skip: await whyNoMicrovms(),
  // Five guests boot at once here, in software, on processors that others use as well.
  startDeadlineMs: 90_000,
  async make() {
    const installation = await makeInstallation();
    return {
      provider: await installation.open(),
      again: () => installation.open(),
      spec: (seat) => specOf({ workshop: installation.workshop, seat }),
      kill: (seat) => installation.vmm.kill(`${installation.stateDirectory}/seats/${seatName(seat)}/run`),
      leftovers: installation.leftovers,
      cleanup: installation.remove,
    };
  },
});
