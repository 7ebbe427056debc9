import { access } from 'node:fs/promises';
import { ENGINE_SOCKET, engineClient } from '@clarateach/seats/providers/docker/engine';
import type { Config } from '@clarateach/server/config';
import { openDatabase } from '@clarateach/server/store/database';
import { REPOSITORY } from '../../../../images/build.ts';
import { pruneWorkspaceImages } from '../../../../images/prune.ts';
import type { Output } from '../output.ts';

/**
 * After: seat images of earlier versions that nothing needs any more are gone from the engine. Gives their
 * tags; undefined, and removes nothing, when the database does not tell which images workshops name.
 */
export async function removeOldImages(
  output: Output,
  signal: AbortSignal,
  database: Config['database'],
): Promise<readonly string[] | undefined> {
  const named = await imagesOfWorkshops(database);
  if (named === undefined) return undefined;
  const docker = engineClient(ENGINE_SOCKET);
  const removed = await pruneWorkspaceImages({ docker, repository: REPOSITORY, named, signal });
  for (const tag of removed) output.note(`Removed the seat image ${tag}, which nothing uses any more`);
  return removed;
}

async function imagesOfWorkshops(config: Config['database']): Promise<readonly string[] | undefined> {
  try {
    if (config.kind === 'sqlite') await access(config.file);
    const database = openDatabase(config.kind === 'sqlite' ? { ...config, access: 'shared' } : config);
    try {
      const rows = await database.db.selectFrom('workshops').select('image').distinct().execute();
      return rows.flatMap(({ image }) => image ?? []);
    } finally {
      await database.close();
    }
  } catch {
    return undefined;
  }
}
