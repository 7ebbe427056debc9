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
import { probeMicrovms } from '../machine/microvms.ts';
import { checkSettings, type Settings } from '../machine/settings.ts';
import { portNumber } from '../numbers.ts';
import type { Output } from '../output.ts';
import { DEFAULT_DATA_DIRECTORY } from './database-options.ts';
import { print } from './remote.ts';

interface DoctorOptions {
  port?: number;
  data?: string;
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
    .option('--port <n>', 'port that the server is to have (8080, or PORT)', portNumber)
    .option(
      '--data <dir>',
      `data directory that the server is to have (DATA_DIR; default: "${DEFAULT_DATA_DIRECTORY}")`,
    )
    .option('--json', 'print JSON')
    .action(async (options: DoctorOptions) => {
      const { settings, check } = checkSettings(options);
      const [runtimes, others] = await Promise.all([probeRuntimes(settings), runChecks(settings)]);
      const checks = [...others, check];
      const ok =
        runtimes.some((runtime) => runtime.available) &&
        checks.every((check) => check.ok || !REQUIRED.has(check.name));
      print(output, options, { ok, runtimes, checks }, () => report(output, { ok, runtimes, checks }));
      if (!ok) process.exitCode = 1;
    });
}

/** Without these no server runs; the rest decides what it can run. */
const REQUIRED = new Set(['node', 'disk space', 'settings']);

async function probeRuntimes({ imagesDirectory }: Settings): Promise<readonly RuntimeReport[]> {
  const [docker, local] = await Promise.all([probeDocker(), probeLocal()]);
  const microvms = await probeMicrovms({ docker: docker.ok, imagesDirectory });
  const lacking = local.missing.filter((program) => program === 'bash' || program === 'tmux');
  return [
    { name: 'docker', available: docker.ok, note: docker.note },
    {
      name: 'local',
      available: lacking.length === 0,
      note: lacking.length === 0 ? local.note : `${lacking.join(' and ')} must be installed.`,
    },
    { name: 'firecracker', available: microvms.ok, note: microvms.note },
  ];
}

function runChecks({ dataDirectory, port, host }: Settings): Promise<readonly Check[]> {
  return Promise.all([
    checkNode(),
    checkGit(),
    checkLocalPrograms(),
    checkImageBase(),
    checkDisk(dataDirectory),
    checkPort(port, host),
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
