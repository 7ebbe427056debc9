import { z } from 'zod';
import { odehash, seatNumber, workshopId } from './ids.ts';
import { runtimeInfo } from './runtime.ts';

/**
 * What an agent answers on its port: `GET /health` (nobody asked), `GET /info`, `POST` and `GET /vms`,
 * `GET` and `DELETE /vms/:workshop/:seat`, `POST …/stop`, `PUT …/holder`, `GET …/connect/:port`, `PUT /revocations`, `PUT /keys`,
 * `PUT` and `DELETE /drain`
 * (with `Authorization: Bearer <AGENT_TOKEN>`), and `/proxy/:workshop/:seat/terminal|files|browser`
 * (with a seat token). Names on this wire are snake_case.
 */
export const AGENT_API_VERSION = 1;
/** Sent by both sides. An agent refuses another version than its own; one that names none is a person's client. */
export const AGENT_VERSION_HEADER = 'clarateach-agent-api';
/**
 * `<client>.<number>`, growing with each change that one client asks for: a change that arrives after
 * a later one of the same client was given up by it, and is refused.
 */
export const AGENT_CHANGE_HEADER = 'clarateach-agent-change';

/**
 * The installation (the database) that a server speaks for. Its seats are labelled with it, and seats with
 * another label do not exist for it. A server that sends none is older than this header and has to do with
 * seats without a label only; a person's client, which sends no version either, with all.
 */
export const AGENT_INSTALLATION_HEADER = 'clarateach-installation';
export const agentInstallation = z.string().regex(/^[\w-]{1,64}$/);

export const DEFAULT_AGENT_PORT = 9090;

/** Every error of the agent API and its status. The first three are the kinds of a provider's errors. */
export const AGENT_ERROR_STATUS = {
  /** No room now, later perhaps. Nothing of the seat is on the worker: it may be made elsewhere. */
  capacity: 503,
  /** What runs the seats did not answer. */
  unreachable: 502,
  /** The same request will fail again. */
  rejected: 422,
  invalid_input: 400,
  unauthenticated: 401,
  forbidden: 403,
  not_found: 404,
  method_not_allowed: 405,
  superseded: 409,
  too_large: 413,
  unequal_version: 426,
  internal: 500,
} as const satisfies Record<string, number>;
export type AgentErrorCode = keyof typeof AGENT_ERROR_STATUS;

export const agentError = z.object({
  error: z.object({ code: z.string(), message: z.string(), requestId: z.string() }),
});

const limits = z.object({
  memory_mib: z.number().int().min(64).max(1_048_576),
  cpus: z.number().min(0.1).max(256),
  processes: z.number().int().min(16).max(1_000_000),
  open_files: z.number().int().min(64).max(1_048_576),
});

/** `POST /vms`: asks for a seat; 201 when it was not there, 200 when it was. */
export const vmRequest = z.object({
  workshop_id: workshopId,
  seat_id: seatNumber,
  image: z.string().min(1).max(255).optional(),
  env: z
    .record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'A variable has letters, digits and _.'), z.string())
    .default({}),
  /** Those of the worker's runtime when nobody names them. */
  limits: limits.optional(),
});
export type VmRequest = z.input<typeof vmRequest>;

export const vmState = z.enum(['absent', 'starting', 'running', 'exited']);

export const vm = z.object({
  workshop_id: workshopId,
  seat_id: seatNumber,
  /** Of its container, microVM or directory. */
  name: z.string(),
  /** `absent` in a list: nothing of it runs, and its files are kept. */
  state: vmState,
  /** For `exited`. */
  code: z.number().int().optional(),
  reason: z.string().optional(),
  /** Whose tokens pass; null when nobody's do. */
  holder: odehash.nullable(),
  /** The revision of the workshop at which the server said so. */
  holder_revision: z.number().int().nullable(),
  /** Whose seat it is; null for one that was made without a label. */
  installation: agentInstallation.nullable().default(null),
});
export type Vm = z.infer<typeof vm>;

/** `GET /vms`, `?workshop_id=` for those of one workshop. */
export const vmList = z.object({ vms: z.array(vm) });

/** `PUT /vms/:workshop/:seat/holder`; one of an older revision than the last is refused as `superseded`. */
export const holderRequest = z.object({ odehash: odehash.nullable(), revision: z.number().int().min(0) });
export type HolderRequest = z.infer<typeof holderRequest>;

/** In one request; more are sent one request after the other. */
export const MAX_REVOCATIONS = 5_000;

/**
 * `PUT /revocations`: learners' tokens that were taken back. The agent adds them to those it has, which
 * go by themselves at their end.
 */
export const revocationsRequest = z.object({
  revocations: z
    .array(
      z.object({
        workshop_id: workshopId,
        odehash,
        /** Seconds since the epoch: tokens with an earlier `iat` are refused. */
        before: z.number().int().min(0),
        /** Milliseconds since the epoch. */
        expires_at: z.number().int().min(0),
      }),
    )
    .max(MAX_REVOCATIONS),
});
export type RevocationsRequest = z.infer<typeof revocationsRequest>;

/**
 * `PUT /keys`: the names of the keys that seat tokens are honoured of now. An agent that has others fetches
 * the keys from its own server before it answers with the names of those that it then has.
 */
export const agentKeys = z.object({ key_ids: z.array(z.string().min(1).max(128)).max(100) });
export type AgentKeys = z.infer<typeof agentKeys>;

export const agentHealth = z.object({
  /** `draining`: takes no new seats; at `vm_count` 0 it is empty. */
  status: z.enum(['ok', 'draining', 'failing']),
  /** Seats of all installations. */
  vm_count: z.number().int(),
  capacity: z.number().int(),
  version: z.string(),
  api_version: z.number().int(),
});
export type AgentHealth = z.infer<typeof agentHealth>;

/** `GET /info`; also what the server's heartbeat asks for. */
export const agentInfo = agentHealth.extend({
  /** A random name of the agent, which stays with its data directory; by it two addresses of one agent are found out. */
  id: z.string().min(1).max(64).optional(),
  runtime: runtimeInfo,
  addresses: z.object({
    listen: z.string(),
    /** Where browsers reach it; null: only through the server. */
    public_url: z.string().nullable(),
  }),
  /** A digest of the taken-back tokens that it knows, equal where it knows what the server does. */
  revocations: z.string(),
  /** Milliseconds since the epoch. */
  started_at: z.number(),
  /** Its clock, in milliseconds since the epoch: seat tokens are judged by it. */
  now: z.number().optional(),
  /** Names of the keys that seat tokens are verified with here; empty before the first are fetched. */
  key_ids: z.array(z.string()).default([]),
  /** What it keeps ready for new seats, and how much of that it is to keep now; none where it keeps nothing. */
  warm: z.object({ ready: z.number().int(), wanted: z.number().int() }).optional(),
  /** The caller's. */
  vms: z.array(vm),
});
export type AgentInfo = z.infer<typeof agentInfo>;

/** Below this path an agent has the gateway of a workshop's seats: `<public_url>/debug/proxy/<workshop>/vm/<seat>/…`. */
export const AGENT_GATEWAY_PATH = '/debug/proxy';

/** `PUT`: from now on no new seat is taken, also after a restart. `DELETE`: seats are taken again. Both answer {@link agentHealth}. */
export const AGENT_DRAIN_PATH = '/drain';

export function vmPath({ workshop, seat }: { workshop: string; seat: number }): string {
  return `/vms/${workshop}/${seat}`;
}
