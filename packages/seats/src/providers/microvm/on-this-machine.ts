import type { SeatProvider } from '../../provider.ts';
import { requireUsableNetwork } from './bridge-choice.ts';
import { cgroupsHere } from './cgroup.ts';
import { chooseVmm } from './choose-vmm.ts';
import { microvmProvider } from './microvm.ts';
import type { MicrovmSettings } from './settings.ts';
import { requireNamespaces } from './vm-namespace.ts';

/**
 * MicroVM seats in the best VMM that this machine has, and one sentence that says which and why.
 * Throws a `ProviderError` `rejected` that says what is missing.
 */
export async function microvmsOnThisMachine(options: {
  readonly settings: MicrovmSettings;
  readonly stateDirectory: string;
  readonly installation: string;
  /** Told, in a sentence for operators, what goes worse than it should. */
  readonly report: (line: string) => void;
}): Promise<{ readonly provider: SeatProvider; readonly why: string }> {
  const { stateDirectory, installation, report } = options;
  const { imagesDirectory, bridge, socketDirectory, warmSeats } = options.settings;
  await requireUsableNetwork(bridge);
  await requireNamespaces();
  const { vmm, why } = await chooseVmm({ imagesDirectory, stateDirectory, socketDirectory });
  const provider = await microvmProvider({
    vmm,
    imagesDirectory,
    stateDirectory,
    installation,
    report,
    warmSeats,
    ...(bridge === undefined ? {} : { bridge }),
  });
  const limits = (await cgroupsHere())
    ? ''
    : ' Their memory and processors are not limited from outside, because control groups cannot be made here.';
  return { provider, why: `${why}.${limits}` };
}
