import type { RuntimeName } from '@clarateach/contract/runtime';
import { probeDocker } from '@clarateach/seats/providers/docker/probe';
import { probeLocal } from '@clarateach/seats/providers/local/probe';
import { Command } from 'commander';
import {
  type Check,
  checkDisk,
  checkGit,
  checkImageBase,
  checkKvm,
  checkLocalPrograms,
  checkNode,
  checkPort,
} from '../machine/checks.ts';
import { MICROVM_PROGRAMS, missingPrograms } from '../machine/packages.ts';
import { portNumber } from '../numbers.ts';
import type { Output } from '../output.ts';
import { STATE_DIRECTORY } from '../root.ts';
import { print } from './remote.ts';

interface DoctorOptions {
  port: number;
  data: string;
  json?: boolean;
}

interface RuntimeReport {
  readonly name: RuntimeName;
  readonly available: boolean;
  readonly note: string;
}

export function doctorCommand(output: Output): Command {
  return new Command('doctor')
    .description('what this machine can run, and what is missing')
    .option('--port <n>', 'port that the server is to have', portNumber, 8080)
    .option('--data <dir>', 'data directory that the server is to have', STATE_DIRECTORY)
    .option('--json', 'print JSON')
    .action(async (options: DoctorOptions) => {
      const [runtimes, checks] = await Promise.all([probeRuntimes(), runChecks(options)]);
      const ok =
        runtimes.some((runtime) => runtime.available) &&
        checks.every((check) => check.ok || !REQUIRED.has(check.name));
      print(output, options, { ok, runtimes, checks }, () => report(output, { ok, runtimes, checks }));
      if (!ok) process.exitCode = 1;
    });
}

/** Without these no server runs; the rest decides what it can run. */
const REQUIRED = new Set(['node', 'disk space']);

async function probeRuntimes(): Promise<readonly RuntimeReport[]> {
  const [docker, local] = await Promise.all([probeDocker(), probeLocal()]);
  const lacking = local.missing.filter((program) => program === 'bash' || program === 'tmux');
  return [
    { name: 'docker', available: docker.ok, note: docker.note },
    {
      name: 'local',
      available: lacking.length === 0,
      note: lacking.length === 0 ? local.note : `${lacking.join(' and ')} must be installed.`,
    },
    await probeMicrovms(docker.ok),
  ];
}

/** Starts nothing: whether KVM runs a guest is tried by the first start. */
async function probeMicrovms(docker: boolean): Promise<RuntimeReport> {
  const missing = await missingPrograms(MICROVM_PROGRAMS);
  const problems = [
    ...(process.getuid?.() === 0 ? [] : ['it needs root']),
    ...(missing.length === 0 ? [] : [`${missing.map((each) => each.program).join(', ')} must be installed`]),
    ...(docker ? [] : ['its root disk is made from the seat image, which needs Docker']),
  ];
  return {
    name: 'firecracker',
    available: problems.length === 0,
    note:
      problems.length === 0
        ? 'MicroVMs: Firecracker or QEMU on KVM, or else QEMU in software, which is slower.'
        : `Not now: ${problems.join('; ')}.`,
  };
}

function runChecks(options: DoctorOptions): Promise<readonly Check[]> {
  return Promise.all([
    checkNode(),
    checkGit(),
    checkLocalPrograms(),
    checkImageBase(),
    checkDisk(options.data),
    checkPort(options.port, 'localhost'),
    checkKvm(),
  ]);
}

function report(
  output: Output,
  found: { ok: boolean; runtimes: readonly RuntimeReport[]; checks: readonly Check[] },
): void {
  output.table(
    ['runtime', 'can run', 'note'],
    found.runtimes.map((runtime) => [runtime.name, runtime.available ? 'yes' : 'no', runtime.note]),
  );
  output.line('');
  output.table(
    ['check', 'state', 'found', 'remedy'],
    found.checks.map((check) => [check.name, check.ok ? 'ok' : 'missing', check.detail, check.remedy]),
  );
  output.line('');
  const best = found.runtimes.find((runtime) => runtime.available)?.name;
  output.line(
    found.ok
      ? `This machine can run ClaraTeach; \`clarateach up\` would use the ${best} runtime.`
      : 'This machine cannot run ClaraTeach yet; the remedies above say what to do.',
  );
}
