import type { IncomingMessage, ServerResponse } from 'node:http';
import {
  AGENT_API_VERSION,
  AGENT_CHANGE_HEADER,
  AGENT_DRAIN_PATH,
  AGENT_VERSION_HEADER,
  type AgentHealth,
  type AgentInfo,
  type AgentKeys,
  agentKeys,
  holderRequest,
  type RevocationsRequest,
  revocationsRequest,
  vmRequest,
} from '@clarateach/contract/agent-api';
import { type SeatId, seatName, seatNumber, workshopId } from '@clarateach/contract/ids';
import type { RuntimeName } from '@clarateach/contract/runtime';
import { SEAT_LIMITS } from '@clarateach/contract/seat-limits';
import { type Caller, callerOf, mayTouch } from './callers.ts';
import type { Guard } from './credentials.ts';
import { AgentError } from './errors.ts';
import { type Answer, readJson, send, sendError } from './http.ts';
import type { AgentSeats } from './seats.ts';

/** Changes that are remembered, to refuse those that come after a later one. */
const REMEMBERED_CHANGES = 4_096;

export interface ApiDeps {
  readonly seats: AgentSeats;
  readonly guard: Guard;
  /** What its seats run in. */
  readonly runtime: RuntimeName;
  readonly health: () => AgentHealth;
  /** Whether new seats are taken from now on; resolves when a restart would know it too. */
  readonly setDraining: (draining: boolean) => Promise<void>;
  /** What `/info` says besides the health and the seats. */
  readonly info: (installation: string | undefined) => Omit<AgentInfo, keyof AgentHealth | 'vms'>;
  readonly revoke: (request: RevocationsRequest, installation: string | undefined) => Promise<void>;
  /** Makes sure of the keys that are honoured now, and gives those that it has. */
  readonly catchUp: (keys: AgentKeys) => Promise<AgentKeys>;
  readonly metrics: () => Promise<{ readonly type: string; readonly text: string }>;
  readonly onFailure: (error: AgentError, requestId: string) => void;
}

/** The agent's own API; what it does not know is `not_found`. */
export function createApi(deps: ApiDeps): (request: IncomingMessage, response: ServerResponse) => void {
  const { seats } = deps;
  const changes = new Map<string, { readonly client: string; readonly number: number }>();

  /** A change that its client gave up and followed by another must not come true after it. */
  const checkOrder = ({ headers }: IncomingMessage, id: SeatId): void => {
    const [, client, digits] =
      /^([\w-]{1,64})\.(\d{1,15})$/.exec(String(headers[AGENT_CHANGE_HEADER] ?? '')) ?? [];
    if (client === undefined) return;
    const name = seatName(id);
    const number = Number(digits);
    const last = changes.get(name);
    if (last?.client === client && last.number > number) {
      throw new AgentError('superseded', 'A later change of this seat has arrived before.');
    }
    changes.delete(name);
    changes.set(name, { client, number });
    const [oldest] = changes.keys();
    if (changes.size > REMEMBERED_CHANGES && oldest !== undefined) changes.delete(oldest);
  };

  const create = async (request: IncomingMessage, caller: Caller, signal: AbortSignal): Promise<Answer> => {
    const { workshop_id, seat_id, image, env, limits } = vmRequest.parse(await readJson(request));
    const id = { workshop: workshop_id, seat: seat_id };
    if (!mayTouch(caller, seats.ownerOf(id))) {
      throw new AgentError('rejected', `${seatName(id)} belongs to another installation on this worker.`);
    }
    checkOrder(request, id);
    const isNew = await seats.ensure(
      {
        id,
        ...(image === undefined ? {} : { image }),
        env,
        limits:
          limits === undefined
            ? SEAT_LIMITS[deps.runtime]
            : {
                memoryMiB: limits.memory_mib,
                cpus: limits.cpus,
                processes: limits.processes,
                openFiles: limits.open_files,
              },
      },
      caller.kind === 'server' ? caller.installation : null,
      signal,
    );
    return { status: isNew ? 201 : 200, body: await seats.look(id, signal) };
  };

  const ofSeat = async (
    request: IncomingMessage,
    { id, verb = '', isForeign }: { id: SeatId; verb: string | undefined; isForeign: boolean },
    signal: AbortSignal,
  ): Promise<Answer> => {
    const call = `${request.method} ${verb}`;
    if (isForeign) {
      // To its caller the seat is absent, and an absent seat is already stopped and destroyed.
      if (call === 'DELETE ' || call === 'POST stop') return { status: 204 };
      throw new AgentError('not_found', `This worker has nothing of ${seatName(id)}.`);
    }
    switch (call) {
      case 'GET ': {
        const vm = await seats.look(id, signal);
        if (!vm) throw new AgentError('not_found', `This worker has nothing of ${seatName(id)}.`);
        return { status: 200, body: vm };
      }
      case 'DELETE ':
        checkOrder(request, id);
        await seats.destroy(id, signal);
        return { status: 204 };
      case 'POST stop':
        checkOrder(request, id);
        await seats.stop(id, signal);
        return { status: 204 };
      case 'PUT holder': {
        const holder = holderRequest.parse(await readJson(request));
        if (await seats.setHolder(id, holder)) return { status: 204 };
        throw new AgentError('not_found', `This worker has nothing of ${seatName(id)}.`);
      }
      default:
        throw otherMethod(SEAT_VERBS[verb ?? '']);
    }
  };

  const answer = async (request: IncomingMessage, signal: AbortSignal): Promise<Answer> => {
    // `//` alone is a host without a name: no address of this API.
    const url = URL.parse(request.url ?? '/', 'http://agent');
    if (!url) throw nothingHere();
    const [first = '', workshop, seat, verb, ...rest] = url.pathname.split('/').slice(1);
    const plain = `${request.method} ${url.pathname}`;
    if (plain === 'GET /health') {
      const health = deps.health();
      return { status: health.status === 'failing' ? 503 : 200, body: health };
    }
    if (plain === 'GET /metrics') {
      const { type, text } = await deps.metrics();
      return { status: 200, body: text, type };
    }
    if (url.pathname === '/health' || url.pathname === '/metrics') throw otherMethod(['GET']);
    deps.guard(request);
    checkVersion(request);
    const caller = callerOf(request);
    const installation = (caller.kind === 'server' ? caller.installation : null) ?? undefined;
    const listed = async () =>
      (await seats.list(signal)).filter(({ installation }) => mayTouch(caller, installation));
    if (plain === 'GET /info') {
      const vms = await listed();
      return { status: 200, body: { ...deps.health(), ...deps.info(installation), vms } };
    }
    if (plain === `PUT ${AGENT_DRAIN_PATH}` || plain === `DELETE ${AGENT_DRAIN_PATH}`) {
      await deps.setDraining(request.method === 'PUT');
      return { status: 200, body: deps.health() };
    }
    if (plain === 'PUT /revocations') {
      await deps.revoke(revocationsRequest.parse(await readJson(request)), installation);
      return { status: 204 };
    }
    if (plain === 'PUT /keys') {
      return { status: 200, body: await deps.catchUp(agentKeys.parse(await readJson(request))) };
    }
    if (url.pathname === '/info') throw otherMethod(['GET']);
    if (first !== 'vms' || rest.length > 0) throw nothingHere();
    if (workshop === undefined) {
      if (request.method === 'POST') return create(request, caller, signal);
      if (request.method !== 'GET') throw otherMethod(['GET', 'POST']);
      const only = url.searchParams.get('workshop_id');
      const vms = (await listed()).filter((vm) => only === null || vm.workshop_id === only);
      return { status: 200, body: { vms } };
    }
    const id = seatOf(workshop, seat);
    const isForeign = !mayTouch(caller, seats.ownerOf(id));
    return ofSeat(request, { id, verb, isForeign }, signal);
  };

  return (request, response) => {
    const gone = new AbortController();
    response.on('close', () => {
      if (!response.writableFinished) gone.abort(new Error('The caller went away.'));
    });
    answer(request, gone.signal).then(
      (said) => send(response, said),
      (thrown: unknown) => {
        // A body that nobody read would keep the connection from its next request.
        request.resume();
        if (gone.signal.aborted) return;
        const { error, requestId } = sendError(response, thrown);
        deps.onFailure(error, requestId);
      },
    );
  };
}

export function checkVersion({ headers }: IncomingMessage): void {
  const version = headers[AGENT_VERSION_HEADER];
  if (version === undefined || version === String(AGENT_API_VERSION)) return;
  throw new AgentError(
    'unequal_version',
    `This agent speaks version ${AGENT_API_VERSION} of the agent API, the caller version ${version}. Bring both to the same version of ClaraTeach.`,
  );
}

export function seatOf(workshop: string, seat: string | undefined): SeatId {
  const number = seatNumber.safeParse(seat);
  const id = workshopId.safeParse(workshop);
  if (!number.success || !id.success || String(number.data) !== seat) throw nothingHere();
  return { workshop: id.data, seat: number.data };
}

/** What each path below a seat answers. */
const SEAT_VERBS: Readonly<Record<string, readonly string[]>> = {
  '': ['GET', 'DELETE'],
  stop: ['POST'],
  holder: ['PUT'],
};

function otherMethod(methods: readonly string[] | undefined): AgentError {
  if (methods === undefined) return nothingHere();
  return new AgentError('method_not_allowed', `This address answers ${methods.join(' and ')} only.`, {
    allow: methods.join(', '),
  });
}

function nothingHere(): AgentError {
  return new AgentError('not_found', 'There is nothing at this address.');
}
