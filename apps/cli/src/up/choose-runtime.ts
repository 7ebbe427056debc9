import { probeDocker } from '@clarateach/seats/providers/docker/probe';
import { probeLocal } from '@clarateach/seats/providers/local/probe';
import { requireUsableNetwork } from '@clarateach/seats/providers/microvm/bridge-choice';
import { type MicrovmSettings, rootfsFile } from '@clarateach/seats/providers/microvm/settings';
import { requireNamespaces } from '@clarateach/seats/providers/microvm/vm-namespace';
import { CommandError } from '../errors.ts';
import { copiedRootDisk } from '../machine/microvms.ts';
import {
  installCommand,
  installPrograms,
  LOCAL_SEAT_PROGRAMS,
  MICROVM_PROGRAMS,
} from '../machine/packages.ts';
import type { Output } from '../output.ts';

export interface Chosen {
  readonly runtime: 'local' | 'docker' | 'firecracker';
  /** Why this one, and what to mind; for people. */
  readonly why: string;
  /** Whether the seats' images are made here; false where only what lies there already can be used. */
  readonly makesImages: boolean;
}

/** The runtime that is asked for, when this machine can run it; for `auto` the best that it can. */
export async function chooseRuntime(
  output: Output,
  signal: AbortSignal,
  {
    asked,
    microvm,
  }: {
    readonly asked: 'auto' | 'local' | 'docker' | 'firecracker';
    readonly microvm: Pick<MicrovmSettings, 'imagesDirectory' | 'bridge'>;
  },
): Promise<Chosen> {
  switch (asked) {
    case 'firecracker':
      return prepareMicrovms(output, signal, microvm);
    case 'docker': {
      const docker = await probeDocker();
      if (!docker.ok) {
        throw new CommandError(`The docker runtime cannot be used. ${docker.note} Or use --runtime local.`);
      }
      return { runtime: 'docker', why: `asked for; ${docker.note}`, makesImages: true };
    }
    case 'local':
      return { runtime: 'local', why: `asked for. ${await prepareLocal(output, signal)}`, makesImages: true };
    case 'auto': {
      const docker = await probeDocker();
      if (docker.ok) {
        return { runtime: 'docker', why: `${docker.note} answers on this machine`, makesImages: true };
      }
      const note = await prepareLocal(output, signal);
      return { runtime: 'local', why: `docker cannot be used: ${docker.note} ${note}`, makesImages: true };
    }
  }
}

/** Installs what microVM seats lack; which VMM runs them is found out by a trial when the server starts. */
async function prepareMicrovms(
  output: Output,
  signal: AbortSignal,
  { imagesDirectory, bridge }: Pick<MicrovmSettings, 'imagesDirectory' | 'bridge'>,
): Promise<Chosen> {
  if (process.getuid?.() !== 0) {
    throw new CommandError(
      'The firecracker runtime needs root for the network of its VMs: run `sudo ./clarateach up --runtime firecracker`, or use --runtime docker.',
    );
  }
  // Told before anything is built.
  await requireUsableNetwork(bridge).catch(told);
  const docker = await probeDocker();
  const rootDisk = rootfsFile(imagesDirectory);
  if (!docker.ok && (await copiedRootDisk(imagesDirectory)) === undefined) {
    throw new CommandError(
      `The root disk of microVM seats is made from the seat image, which needs Docker. ${docker.note} Or make it on another machine with \`clarateach rootfs build\` and copy it to ${rootDisk}.`,
    );
  }
  const missing = await installPrograms(output, MICROVM_PROGRAMS, signal);
  if (missing.length > 0) {
    throw new CommandError(
      `MicroVM seats lack programs. Install what is missing: ${installCommand(missing)}`,
    );
  }
  await requireNamespaces().catch(told);
  return {
    runtime: 'firecracker',
    why: docker.ok
      ? 'asked for. Each seat is a virtual machine.'
      : `asked for. Each seat is a virtual machine. ${rootDisk} is used as it is: without Docker it is not made anew.`,
    makesImages: docker.ok,
  };
}

/** What a provider cannot do here, in the words of this command. */
function told(cause: Error): never {
  throw new CommandError(cause.message, { cause });
}

/** Installs what local seats lack, where that may be done, and says what seats are like without the rest. */
async function prepareLocal(output: Output, signal: AbortSignal): Promise<string> {
  const missing = await installPrograms(output, LOCAL_SEAT_PROGRAMS, signal);
  const probe = await probeLocal();
  const lacking = probe.missing.filter((program) => program === 'bash' || program === 'tmux');
  if (lacking.length > 0) {
    throw new CommandError(
      `Local seats need ${lacking.join(' and ')}. Install what is missing: ${installCommand(missing)}`,
    );
  }
  if (missing.length > 0) {
    const names = missing.map((each) => each.program).join(', ');
    output.note(`Seats will lack ${names}. To have them: ${installCommand(missing)}`);
  }
  return probe.note;
}
