import { readdir, readFile, readlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

/** A test of a provider names its installation after itself and its workshop; a server's is a UUID. */
const OF_A_TEST = /^[a-z-]+-ws-[a-z0-9]{8}(-other)?$/;

/**
 * Says of an installation whether somebody outside this test run has it: a server or an agent that runs
 * with it, or, while another test run is on its way, a test. `isOurs` knows this run's processes by
 * their environment. A server on PostgreSQL does not show its installation.
 */
export async function installationsElsewhere(
  isOurs: (environment: readonly string[]) => boolean,
  runMark: string,
): Promise<(installation: string) => boolean> {
  const ids = new Set<string>();
  let testsElsewhere = false;
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const environment = (await readFile(`/proc/${pid}/environ`, 'utf8').catch(() => '')).split('\0');
    if (environment.length < 2 || isOurs(environment)) continue;
    testsElsewhere ||= environment.some((variable) => variable.startsWith(`${runMark}=`));
    for (const directory of await dataDirectories(pid)) {
      for (const id of await idsIn(directory)) ids.add(id);
    }
  }
  return (installation) => ids.has(installation) || (testsElsewhere && OF_A_TEST.test(installation));
}

/** Servers and agents keep a file of their data directory open for as long as they run. */
async function dataDirectories(pid: string): Promise<ReadonlySet<string>> {
  const directories = new Set<string>();
  for (const fd of await readdir(`/proc/${pid}/fd`).catch(() => [])) {
    const file = await readlink(`/proc/${pid}/fd/${fd}`).catch(() => '');
    if (/^(clarateach\.db|agent\.)/.test(basename(file))) directories.add(dirname(file));
  }
  return directories;
}

async function idsIn(directory: string): Promise<readonly string[]> {
  const agent = await readFile(join(directory, 'agent.id'), 'utf8').catch(() => '');
  const found = [agent.trim()];
  try {
    const database = new DatabaseSync(join(directory, 'clarateach.db'), { readOnly: true });
    try {
      const row = database.prepare("select value from settings where key = 'installation'").get();
      found.push(String(row?.value ?? ''));
    } finally {
      database.close();
    }
  } catch {
    // An agent has no database, and a server that just starts has no tables.
  }
  return found.filter((id) => id !== '');
}
