import { seatName } from '@clarateach/contract/ids';
import { seatProviderConformance } from '../../conformance.ts';
import { dockerProvider } from './docker.ts';
import { ENGINE_SOCKET, engineClient } from './engine.ts';
import { leftOvers, randomWorkshop, removeLeftOvers, SEAT_IMAGE, specOf, whyNot } from './testing.ts';

const docker = engineClient(ENGINE_SOCKET);

seatProviderConformance('docker', {
  skip: await whyNot(docker),
  async make() {
    const workshop = randomWorkshop();
    const installation = `conformance-${workshop}`;
    const open = () => dockerProvider({ image: SEAT_IMAGE, installation });
    return {
      provider: await open(),
      again: open,
      spec: (seat) => specOf({ workshop, seat }),
      kill: async (seat) => {
        await docker.getContainer(seatName(seat)).kill();
      },
      leftovers: () => leftOvers(docker, installation),
      cleanup: () => removeLeftOvers(docker, installation),
    };
  },
});
