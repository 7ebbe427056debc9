import type { SeatProvider } from '../../provider.ts';
import { cgroupsHere } from './cgroup.ts';
import { chooseVmm } from './choose-vmm.ts';
import { microvmProvider } from './microvm.ts';
import type { MicrovmSettings } from './settings.ts';

/**
 * MicroVM seats in the best VMM that this machine has, and one sentence that says which and why.
 * Throws a `ProviderError` `rejected` that says what is missing.
 */
export async function microvmsOnThisMachine(options: {
  readonly settings: MicrovmSettings;
  readonly stateDirectory: string;
  readonly installation: string;
}): Promise<{ readonly provider: SeatProvider; readonly why: string }> {
  const { stateDirectory, installation } = options;
  const { imagesDirectory, bridge, socketDirectory } = options.settings;
  const { vmm, why } = await chooseVmm({ imagesDirectory, stateDirectory, socketDirectory });
  const provider = await microvmProvider({
    vmm,
    imagesDirectory,
    stateDirectory,
    installation,
    ...(bridge === undefined ? {} : { bridge }),
  });
  const limits = (await cgroupsHere())
    ? ''
    : ' Their memory and processors are not limited from outside, because control groups cannot be made here.';
  return { provider, why: `${why}.${limits}` };
}
