import { probeDocker } from '@clarateach/seats/providers/docker/probe';
import { probeLocal } from '@clarateach/seats/providers/local/probe';
import { CommandError } from '../errors.ts';
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
}

/** The runtime that is asked for, when this machine can run it; for `auto` the best that it can. */
export async function chooseRuntime(
  output: Output,
  signal: AbortSignal,
  asked: 'auto' | 'local' | 'docker' | 'firecracker',
): Promise<Chosen> {
  switch (asked) {
    case 'firecracker':
      return { runtime: 'firecracker', why: `asked for. ${await prepareMicrovms(output, signal)}` };
    case 'docker': {
      const docker = await probeDocker();
      if (!docker.ok) {
        throw new CommandError(`The docker runtime cannot be used. ${docker.note} Or use --runtime local.`);
      }
      return { runtime: 'docker', why: `asked for; ${docker.note}` };
    }
    case 'local':
      return { runtime: 'local', why: `asked for. ${await prepareLocal(output, signal)}` };
    case 'auto': {
      const docker = await probeDocker();
      if (docker.ok) return { runtime: 'docker', why: `${docker.note} answers on this machine` };
      const note = await prepareLocal(output, signal);
      return { runtime: 'local', why: `docker cannot be used: ${docker.note} ${note}` };
    }
  }
}

/** Installs what microVM seats lack; which VMM runs them is found out by a trial when the server starts. */
async function prepareMicrovms(output: Output, signal: AbortSignal): Promise<string> {
  if (process.getuid?.() !== 0) {
    throw new CommandError(
      'The firecracker runtime needs root for the network of its VMs: run `sudo ./clarateach up --runtime firecracker`, or use --runtime docker.',
    );
  }
  const docker = await probeDocker();
  if (!docker.ok) {
    throw new CommandError(
      `The root disk of microVM seats is made from the seat image, which needs Docker. ${docker.note} Or make it elsewhere (\`clarateach rootfs build\`) and start \`clarateach server\` with RUNTIME=firecracker.`,
    );
  }
  const missing = await installPrograms(output, MICROVM_PROGRAMS, signal);
  if (missing.length > 0) {
    throw new CommandError(
      `MicroVM seats lack programs. Install what is missing: ${installCommand(missing)}`,
    );
  }
  return 'Each seat is a virtual machine.';
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
