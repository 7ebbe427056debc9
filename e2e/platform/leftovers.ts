import { existsSync } from 'node:fs';
import { readdir, readFile, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { dockerProvider } from '@clarateach/seats/providers/docker';
import { probeDocker } from '@clarateach/seats/providers/docker/probe';
import { qemu } from '@clarateach/seats/providers/microvm/qemu';
import { networkLeftOvers, openMicrovms } from '@clarateach/seats/providers/microvm/testing';
import { installationId, openDatabase } from '@clarateach/server/store/database';
import { askEngine } from '../runner/docker-engine.ts';

/** By what the things of one installation are known. */
export interface Traces {
  readonly data: string;
  readonly databaseUrl?: string;
}

/** Containers, networks, volumes, VMs and processes of this installation, and of no other on the machine. */
export async function leftOf(traces: Traces): Promise<string[]> {
  const installation = await idOf(traces);
  return [
    ...(installation === undefined ? [] : await dockerThingsOf(installation)),
    ...(installation === undefined ? [] : await networkLeftOvers(installation)),
    ...(await microvmFiles(traces.data)),
    ...(await processesOf(traces.data)).map(({ pid, command }) => `process ${pid} ${command}`),
  ];
}

/** Ends and removes all that is left, for a test that could not do it itself. */
export async function endAll(traces: Traces): Promise<void> {
  const { data } = traces;
  for (const { pid } of await processesOf(data)) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // It has just ended by itself.
    }
  }
  const installation = await idOf(traces).catch(() => undefined);
  if (installation === undefined) return;
  await endMicrovms(data, installation);
  if ((await dockerThingsOf(installation)).length === 0) return;
  if (!(await probeDocker()).ok) return;
  const seats = await dockerProvider({ image: 'clarateach-workspace:latest', installation });
  const { signal } = new AbortController();
  for (const seat of await seats.list(signal)) await seats.destroy(seat, signal);
  await seats.close();
}

/** Files of VM seats are volumes of theirs. */
async function microvmFiles(data: string): Promise<string[]> {
  const seats = await readdir(join(data, 'microvms', 'seats')).catch((): string[] => []);
  return seats.map((name) => `volume ${name}`);
}

async function endMicrovms(data: string, installation: string): Promise<void> {
  const left = [...(await microvmFiles(data)), ...(await networkLeftOvers(installation))];
  if (left.length === 0) return;
  const stateDirectory = join(data, 'microvms');
  const seats = await openMicrovms({ vmm: await qemu('emulation'), stateDirectory, installation });
  const { signal } = new AbortController();
  for (const seat of await seats.list(signal)) await seats.destroy(seat, signal);
  await seats.close();
}

/** The name that an installation gives to what it makes; undefined before its first start. */
async function idOf({ data, databaseUrl }: Traces): Promise<string | undefined> {
  const file = join(data, 'clarateach.db');
  if (databaseUrl === undefined && !existsSync(file)) return undefined;
  const database = openDatabase(
    databaseUrl === undefined
      ? { kind: 'sqlite', file, access: 'shared' }
      : { kind: 'postgresql', url: databaseUrl },
  );
  try {
    return await installationId(database);
  } catch (error) {
    // A start that was ended early has made no tables.
    if (/no such table|does not exist/.test((error as Error).message)) return undefined;
    throw error;
  } finally {
    await database.close();
  }
}

async function dockerThingsOf(installation: string): Promise<string[]> {
  const filters = encodeURIComponent(JSON.stringify({ label: [`clarateach.installation=${installation}`] }));
  const [containers, networks, volumes] = await Promise.all([
    askEngine<{ Names: string[] }[]>(`/containers/json?all=true&filters=${filters}`),
    askEngine<{ Name: string }[]>(`/networks?filters=${filters}`),
    askEngine<{ Volumes: { Name: string }[] | null }>(`/volumes?filters=${filters}`),
  ]);
  return [
    ...(containers ?? []).map(({ Names }) => `container ${Names[0]?.replace(/^\//, '')}`),
    ...(networks ?? []).map(({ Name }) => `network ${Name}`),
    ...(volumes?.Volumes ?? []).map(({ Name }) => `volume ${Name}`),
  ];
}

/** Processes that were given the data directory, by their arguments, their mounts or their environment. */
async function processesOf(data: string): Promise<{ pid: number; command: string }[]> {
  const found: { pid: number; command: string }[] = [];
  // A disk that is mounted there is seen by every process of the machine; a seat sees it elsewhere.
  const everyones = new Set((await readFile('/proc/self/mounts', 'utf8')).split('\n'));
  for (const name of await readdir('/proc')) {
    const pid = Number(name);
    if (!Number.isInteger(pid) || pid === process.pid) continue;
    // A VM is told nothing, and works in its directory.
    const directory = await readlink(`/proc/${pid}/cwd`).catch(() => '');
    const [command = '', environment = '', mounts = ''] = await Promise.all(
      ['cmdline', 'environ', 'mounts'].map((file) =>
        readFile(`/proc/${pid}/${file}`, 'utf8').catch(() => ''),
      ),
    );
    const mounted = mounts.split('\n').some((line) => line.includes(data) && !everyones.has(line));
    if (
      command !== '' &&
      (mounted || directory.startsWith(data) || command.includes(data) || environment.includes(data))
    ) {
      found.push({ pid, command: command.replaceAll('\0', ' ').slice(0, 120) });
    }
  }
  return found;
}
