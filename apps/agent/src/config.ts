import { resolve } from 'node:path';
import { DEFAULT_AGENT_PORT } from '@clarateach/contract/agent-api';
import { isLoopback } from '@clarateach/contract/loopback';
import { diskMiB, host, list, origin, port, wholeNumber } from '@clarateach/contract/setting-values';
import { type Environment, settingsReader } from '@clarateach/contract/settings';
import { CONNECTIONS_PER_SEAT } from '@clarateach/gateway/seat-links';
import { type MicrovmSettings, readMicrovmSettings } from '@clarateach/seats/providers/microvm/settings';

const RUNTIMES = ['auto', 'docker', 'local', 'firecracker'] as const;
export type AgentRuntime = (typeof RUNTIMES)[number];

/** Everything the agent is told from outside. Nothing else reads the environment. */
export interface AgentConfig {
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
  /** Undefined only on loopback: then whoever is on this machine may use the agent. */
  readonly token: string | undefined;
  /** Seats that this machine takes. */
  readonly capacity: number;
  readonly runtime: AgentRuntime;
  readonly microvm: MicrovmSettings;
  /** What a docker seat may keep in `/workspace`; undefined: as much as there is. */
  readonly seatDiskMiB: number | undefined;
  readonly dataDirectory: string;
  /** Origin of the server, whose keys seat tokens are verified with; undefined: browsers come through the server. */
  readonly serverUrl: string | undefined;
  /** Origin under which browsers reach this agent; undefined on a network address: through the server. */
  readonly publicUrl: string | undefined;
  /** Further origins whose pages may use the seats. */
  readonly corsOrigins: readonly string[];
  /** Connections that one network address may hold; 0: any number. */
  readonly connectionsPerAddress: number;
  /** Requests under way and WebSockets that one seat may have. */
  readonly connectionsPerSeat: number;
}

/**
 * The settings of the agent, checked: `PORT`, `HOST`, `AGENT_TOKEN`, `CAPACITY`, `RUNTIME`, `SEAT_DISK_GIB`, `IMAGES_DIR`, `BRIDGE_NAME`, `BRIDGE_IP`, `DATA_DIR`,
 * `SERVER_URL`, `PUBLIC_URL`, `CORS_ORIGINS`, `MAX_CONNECTIONS_PER_ADDRESS` and `MAX_CONNECTIONS_PER_SEAT`. An empty value counts as none. Throws an
 * `ConfigError` that names all that is wrong.
 */
export function readAgentConfig(env: Environment, workingDirectory: string = process.cwd()): AgentConfig {
  const { read, problem, isWrong, check } = settingsReader(env);
  const config: AgentConfig = {
    host: read('HOST', '127.0.0.1', host),
    port: read('PORT', DEFAULT_AGENT_PORT, port),
    token: read<string | undefined>('AGENT_TOKEN', undefined, token),
    capacity: read(
      'CAPACITY',
      50,
      wholeNumber({ least: 1, most: 10_000, what: 'how many seats this machine takes' }),
    ),
    runtime: read<AgentRuntime>('RUNTIME', 'auto', runtime),
    microvm: readMicrovmSettings(read, workingDirectory),
    seatDiskMiB: read<number | undefined>('SEAT_DISK_GIB', undefined, diskMiB),
    dataDirectory: resolve(workingDirectory, env.DATA_DIR?.trim() || '.'),
    serverUrl: read<string | undefined>('SERVER_URL', undefined, origin),
    publicUrl: read<string | undefined>('PUBLIC_URL', undefined, origin),
    corsOrigins: read<readonly string[]>('CORS_ORIGINS', [], (value) => list(value).map(origin)),
    connectionsPerAddress: read(
      'MAX_CONNECTIONS_PER_ADDRESS',
      2_000,
      wholeNumber({ least: 0, most: 1_000_000, what: 'how many connections may be open, or 0' }),
    ),
    connectionsPerSeat: read(
      'MAX_CONNECTIONS_PER_SEAT',
      CONNECTIONS_PER_SEAT,
      wholeNumber({ least: 16, most: 1_000_000, what: 'how many connections may be open' }),
    ),
  };
  if (config.token === undefined && !isWrong('AGENT_TOKEN') && !isLoopback(config.host)) {
    problem(
      `AGENT_TOKEN is missing, and HOST is ${config.host}: without a token the agent starts only on 127.0.0.1. Make one with: openssl rand -hex 32`,
    );
  }
  check();
  return config;
}

const MIN_TOKEN_LENGTH = 8;

/** Says nothing of the value itself. */
function token(value: string): string {
  if (value.length < MIN_TOKEN_LENGTH || !/^[\x21-\x7e]+$/.test(value)) {
    throw new Error(
      `must have at least ${MIN_TOKEN_LENGTH} characters, without spaces. Make one with: openssl rand -hex 32`,
    );
  }
  return value;
}

function runtime(value: string): AgentRuntime {
  const name = RUNTIMES.find((each) => each === value);
  if (name === undefined) throw new Error(`is "${value}". Choose one of ${RUNTIMES.join(', ')}.`);
  return name;
}
