import { join } from 'node:path';
import { requireNoDiskBound } from '@clarateach/contract/setting-values';
import type { SeatProvider } from '@clarateach/seats/provider';
import { dockerProvider } from '@clarateach/seats/providers/docker';
import { probeDocker } from '@clarateach/seats/providers/docker/probe';
import { localProvider } from '@clarateach/seats/providers/local';
import { microvmsOnThisMachine } from '@clarateach/seats/providers/microvm/on-this-machine';
import type { AgentConfig } from './config.ts';
import type { AgentDirectory } from './data-directory.ts';

const ROOT = join(import.meta.dirname, '..', '..', '..');
/** The seats' image, as `clarateach image build` names it. */
const SEAT_IMAGE = 'clarateach-workspace:latest';

/** What is told of a runtime, in sentences for operators. */
export interface RuntimeNews {
  /** Which one was chosen, and why. */
  chosen(line: string): void;
  /** What goes worse than it should. */
  worse(line: string): void;
}

/** Opens what the seats of this machine run in. Throws with one clear line. */
export async function openRuntime(
  { runtime: wanted, microvm, seatDiskMiB }: Pick<AgentConfig, 'runtime' | 'microvm' | 'seatDiskMiB'>,
  directory: AgentDirectory,
  news: RuntimeNews,
): Promise<SeatProvider> {
  if (wanted === 'firecracker') {
    requireNoDiskBound(seatDiskMiB, 'firecracker');
    const { provider, why } = await microvmsOnThisMachine({
      settings: microvm,
      stateDirectory: join(directory.path, 'microvms'),
      installation: directory.id,
      report: news.worse,
    });
    news.chosen(why);
    return provider;
  }
  if (wanted !== 'local') {
    const docker = await probeDocker();
    if (docker.ok) {
      const bound = seatDiskMiB === undefined ? {} : { diskMiB: seatDiskMiB };
      return dockerProvider({ image: SEAT_IMAGE, installation: directory.id, ...bound });
    }
    if (wanted === 'docker') {
      throw new Error(`RUNTIME is docker, but seats cannot run in Docker here. ${docker.note}`);
    }
  }
  requireNoDiskBound(seatDiskMiB, 'local');
  return localProvider({
    root: join(directory.path, 'seats'),
    toolsDirectory: join(ROOT, 'images', 'workspace', 'tools'),
    workspaceBundle: join(ROOT, 'apps', 'workspace', 'dist'),
  });
}
