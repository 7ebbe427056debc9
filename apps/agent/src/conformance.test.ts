import { seatName } from '@clarateach/contract/ids';
import { seatProviderConformance } from '@clarateach/seats/conformance';
import { dockerProvider } from '@clarateach/seats/providers/docker';
import { ENGINE_SOCKET, engineClient } from '@clarateach/seats/providers/docker/engine';
import {
  leftOvers,
  randomWorkshop,
  removeLeftOvers,
  SEAT_IMAGE,
  specOf,
  whyNot,
} from '@clarateach/seats/providers/docker/testing';
import { localSubject, whyNoLocalSeats } from '@clarateach/seats/providers/local/local-subject';
import { tryBubblewrap } from '@clarateach/seats/providers/local/probe';
import { agentSubject } from './testing.ts';

const trial = await tryBubblewrap();
const docker = engineClient(ENGINE_SOCKET);

seatProviderConformance('remote(agent(local))', {
  skip: whyNoLocalSeats() ?? (trial.works ? undefined : trial.reason),
  make: async () => agentSubject(await localSubject('bubblewrap')),
});

seatProviderConformance('remote(agent(docker))', {
  skip: await whyNot(docker),
  async make() {
    const workshop = randomWorkshop();
    const installation = `conformance-${workshop}`;
    const open = () => dockerProvider({ image: SEAT_IMAGE, installation });
    const provider = await open();
    return agentSubject({
      provider,
      again: open,
      spec: (seat) => specOf({ workshop, seat }),
      kill: async (seat) => {
        await docker.getContainer(seatName(seat)).kill();
      },
      leftovers: () => leftOvers(docker, installation),
      async cleanup() {
        await provider.close();
        await removeLeftOvers(docker, installation);
      },
    });
  },
});
