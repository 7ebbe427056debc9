import { access, constants } from 'node:fs/promises';
import { ProviderError } from '../../provider.ts';
import { ENGINE_SOCKET, engineClient, engineError } from './engine.ts';

/** Docker 20.10: what comes before cannot hold seats as they are described to it. */
const OLDEST_API = '1.41';
const ANSWER_MS = 5_000;

export interface DockerProbe {
  readonly ok: boolean;
  /** One sentence for people: what was found, or what to do. */
  readonly note: string;
  readonly version?: string;
}

/** Whether this machine's Docker engine can hold seats. Changes nothing, never throws. */
export async function probeDocker(options: { readonly socketPath?: string } = {}): Promise<DockerProbe> {
  const socketPath = options.socketPath ?? ENGINE_SOCKET;
  try {
    await access(socketPath, constants.F_OK);
  } catch {
    return {
      ok: false,
      note: `No Docker engine: ${socketPath} is not there. Install it (\`sudo apt-get install docker.io\`), or start it (\`sudo systemctl start docker\`).`,
    };
  }
  const docker = engineClient(socketPath, ANSWER_MS);
  try {
    const [version, info] = await Promise.all([docker.version(), docker.info() as Promise<EngineFacts>]);
    return { ...judge(version, info), version: version.Version };
  } catch (error) {
    const failure = engineError(error);
    return { ok: false, note: failure instanceof ProviderError ? failure.message : String(failure) };
  }
}

interface EngineFacts {
  readonly OSType: string;
  readonly OperatingSystem: string;
  readonly SecurityOptions?: string[] | null;
}

function judge(
  version: { Version: string; ApiVersion: string },
  info: EngineFacts,
): { ok: boolean; note: string } {
  if (compareVersions(version.ApiVersion, OLDEST_API) < 0) {
    return {
      ok: false,
      note: `Docker ${version.Version} is too old: seats need 20.10 or newer. Update the engine.`,
    };
  }
  if (info.OSType !== 'linux') {
    return {
      ok: false,
      note: `Docker ${version.Version} runs ${info.OSType} containers; seats need Linux ones.`,
    };
  }
  if (info.OperatingSystem.startsWith('Docker Desktop')) {
    return {
      ok: false,
      note: 'Docker Desktop keeps containers in a VM whose addresses this machine cannot reach. Use a Docker engine on Linux.',
    };
  }
  if (info.SecurityOptions?.some((option) => option.includes('rootless'))) {
    return {
      ok: false,
      note: 'The Docker engine runs rootless, where this machine cannot reach containers by address. Use an engine that runs as root.',
    };
  }
  return { ok: true, note: `Docker ${version.Version}` };
}

function compareVersions(left: string, right: string): number {
  const [a = [], b = []] = [left, right].map((version) => version.split('.').map(Number));
  return (a[0] ?? 0) - (b[0] ?? 0) || (a[1] ?? 0) - (b[1] ?? 0);
}
