import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { type AddressInfo, connect, createServer, type Server } from 'node:net';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { readAgentConfig } from '@clarateach/agent/config';
import { createAgent, type RunningAgent } from '@clarateach/agent/main';
import { openSeatRelay, type SeatRelay } from '@clarateach/agent/seat-relay';
import { type SeatId, seatName, type WorkshopId } from '@clarateach/contract/ids';
import { SEAT_LIMITS } from '@clarateach/contract/seat-limits';
import { FILES_PORT, TERMINAL_PORT } from '@clarateach/contract/seat-server';
import type { SeatProvider } from '@clarateach/seats/provider';
import type { MicrovmSettings } from '@clarateach/seats/providers/microvm/settings';
import { remoteProvider } from '@clarateach/seats/providers/remote';
import { askSeat, inTerminal } from '@clarateach/seats/seat-client';
import { CommandError } from '../errors.ts';
import type { Output } from '../output.ts';
import { hostBeside } from './host-beside.ts';

const SEATS = [1, 2, 3];
const START_DEADLINE_MS = 180_000;
const TERMINAL_MS = 60_000;
const METADATA = '169.254.169.254';
/** On a disk, as the state of an agent is; /tmp may be memory. */
const STATE_PARENT = '/var/tmp';

/** Told of each step that has passed, and of what runs the VMs. */
export interface SmokeListener extends Pick<Output, 'note'> {
  passed(step: string, seconds: number): void;
}

/**
 * Shows on this machine that an agent runs microVM seats and keeps them apart, step by step; leaves
 * nothing. Throws a CommandError for the first step that fails.
 */
export async function testMicrovms(
  listener: SmokeListener,
  signal: AbortSignal,
  settings: MicrovmSettings,
): Promise<void> {
  const passed = (step: string, began: number) => listener.passed(step, (performance.now() - began) / 1000);
  // What is put here ends in the reverse order.
  await using stack = new AsyncDisposableStack();
  try {
    const directory = await mkdtemp(join(STATE_PARENT, 'clarateach-microvm-'));
    stack.defer(() => rm(directory, { recursive: true, force: true }));
    let began = performance.now();
    const { agent, provider, token } = await startAgent(directory, settings);
    stack.defer(() => agent.close());
    listener.note(provider.info.note);
    passed(`an agent answers at ${agent.url}`, began);

    const workshop = `ws-${randomBytes(4).toString('hex')}` as WorkshopId;
    const seats = SEATS.map((seat): SeatId => ({ workshop, seat }));
    stack.defer(async () => {
      const since = performance.now();
      const { signal: always } = new AbortController();
      for (const id of await provider.list(always)) await provider.destroy(id, always);
      const left = await provider.list(always);
      if (left.length > 0) throw new CommandError(`${left.length} seats are left.`);
      passed('all three are destroyed, and the list is empty', since);
    });
    const relays = await Promise.all(
      seats.map(async (id) => {
        const since = performance.now();
        const relay = await start(provider, { id, token }, signal);
        stack.defer(() => relay.close());
        passed(`${seatName(id)} runs`, since);
        return relay;
      }),
    );

    const addresses: string[] = [];
    for (const [index, { endpoint }] of relays.entries()) {
      began = performance.now();
      addresses.push(await reach(endpoint));
      passed(`seat ${SEATS[index]} at ${addresses[index]}: terminal and files answer`, began);
    }
    const host = await listen();
    stack.defer(async () => void host.server.close());
    for (const [index, { endpoint }] of relays.entries()) {
      began = performance.now();
      const others = addresses.filter((_, other) => other !== index);
      const gateway = hostBeside(addresses[index] ?? '', networkInterfaces());
      await opens(gateway, host.port);
      await keptApart(endpoint, { others, gateway, hostPort: host.port });
      const what = `the other seats, this machine, its private networks and ${METADATA}`;
      passed(`seat ${SEATS[index]} does not reach ${what}`, began);
    }
    began = performance.now();
    const listed = (await provider.list(signal)).map(seatName).sort();
    if (listed.join() !== seats.map(seatName).join()) {
      throw new CommandError(`The list has ${listed.length === 0 ? 'no seats' : listed.join(', ')}.`);
    }
    passed('the list has all three', began);
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof CommandError) throw error;
    throw new CommandError((error as Error).message, { cause: error });
  }
}

/** That of this machine's own agent, but for what would be in its way, or it in ours. */
export function agentEnvironment(
  directory: string,
  token: string,
  { imagesDirectory, bridge, socketDirectory }: MicrovmSettings,
): Readonly<Record<string, string | undefined>> {
  return {
    PORT: '0',
    AGENT_TOKEN: token,
    RUNTIME: 'firecracker',
    CAPACITY: `${SEATS.length}`,
    DATA_DIR: directory,
    IMAGES_DIR: imagesDirectory,
    BRIDGE_NAME: bridge?.name,
    BRIDGE_IP: bridge?.address,
    SOCKET_DIR: socketDirectory,
  };
}

async function startAgent(
  directory: string,
  settings: MicrovmSettings,
): Promise<{ agent: RunningAgent; provider: SeatProvider; token: string }> {
  const token = randomBytes(24).toString('hex');
  const config = readAgentConfig(agentEnvironment(directory, token, settings));
  const agent = await createAgent(config, { log: () => {} });
  try {
    const { signal } = new AbortController();
    return { agent, provider: await remoteProvider({ address: agent.url, token }, signal), token };
  } catch (error) {
    await agent.close();
    throw error;
  }
}

async function start(
  provider: SeatProvider,
  { id, token }: { id: SeatId; token: string },
  signal: AbortSignal,
): Promise<SeatRelay> {
  await provider.ensure({ id, env: {}, limits: SEAT_LIMITS.firecracker }, signal);
  const deadline = performance.now() + START_DEADLINE_MS;
  for (;;) {
    const seen = await provider.observe(id, signal);
    if (seen.state === 'running') return openSeatRelay(seen.endpoint, token);
    if (seen.state === 'exited') throw new CommandError(`${seatName(id)} ended: ${seen.reason}`);
    if (performance.now() > deadline) throw new CommandError(`${seatName(id)} did not answer in time.`);
    await pause(100, undefined, { signal });
  }
}

type Endpoint = SeatRelay['endpoint'];

/** Reaches the seat by its terminal and its files, and returns its address. */
async function reach(endpoint: Endpoint): Promise<string> {
  const said = await inTerminal(endpoint, 'echo $(id -un) $(hostname -I)', TERMINAL_MS);
  const [user, address] = said.split(' ');
  if (user !== 'learner' || address === undefined) throw new CommandError(`The terminal says ${said}.`);
  const files = await askSeat(endpoint, FILES_PORT, { path: '/files' });
  if (files.status !== 200) throw new CommandError(`The files of ${address} answer ${files.status}.`);
  return address;
}

/** Something of this machine that everybody may reach who reaches the machine. */
async function listen(): Promise<{ server: Server; port: number }> {
  const server = createServer((socket) => socket.end());
  server.listen(0, '0.0.0.0');
  await once(server, 'listening');
  return { server, port: (server.address() as AddressInfo).port };
}

/** What is not there a seat does not reach either: this machine itself must reach it. */
async function opens(address: string, port: number): Promise<void> {
  const socket = connect(port, address);
  try {
    await once(socket, 'connect');
  } finally {
    socket.destroy();
  }
}

async function keptApart(
  endpoint: Endpoint,
  { others, gateway, hostPort }: { others: readonly string[]; gateway: string; hostPort: number },
): Promise<void> {
  const targets = [
    ...others.map((other) => `${other}/${TERMINAL_PORT}`),
    `${gateway}/${hostPort}`,
    `${METADATA}/80`,
  ];
  const itself = `127.0.0.1/${TERMINAL_PORT}`;
  const tries = [itself, ...targets].map(
    (target) => `(timeout 3 bash -c '</dev/tcp/${target}' 2>/dev/null && echo ${target}) &`,
  );
  const reached = await inTerminal(endpoint, `echo $(${tries.join(' ')} wait)`, TERMINAL_MS);
  if (reached !== itself) {
    const what = reached.replace(itself, '').trim();
    throw new CommandError(
      what === '' ? 'The seat does not even reach itself.' : `The seat reaches ${what}, which it must not.`,
    );
  }
}
