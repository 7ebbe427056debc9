import { tcpProxy } from '@clarateach/server/testing/tcp-proxy';
import { AGENT_TOKEN, newAgent } from './agents.ts';
import { newInstallation, type Running, type SeatRuntime } from './up.ts';

/** How a learner reaches the platform: by lines that can be cut, all at once. */
export interface Network {
  readonly url: string;
  cut(): void;
  mend(): void;
}

/** A platform on which the story of a workshop is played. */
export interface Stage extends AsyncDisposable {
  /** For those whose network is good. */
  readonly url: string;
  readonly running: Running;
  readonly network: Network;
  /** Machines that run the seats instead of the server. */
  readonly workers: number;
  /** What is there after the end of the server. */
  leftBehind(): Promise<readonly string[]>;
}

/** Server and seats on this machine. */
export async function oneMachine(runtime: SeatRuntime): Promise<Stage> {
  await using opening = new AsyncDisposableStack();
  const installation = opening.use(await newInstallation(runtime));
  const line = opening.adopt(await tcpProxy(installation.port), (each) => each.close());
  const running = await installation.up();
  const opened = opening.move();
  return {
    url: installation.url,
    running,
    network: { url: `http://localhost:${line.port}`, cut: line.cut, mend: line.mend },
    workers: 0,
    leftBehind: () => installation.leftBehind(),
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}

/** A server and two workers; learners reach each by a line of its own. */
export async function workersBehindLines(): Promise<Stage> {
  await using opening = new AsyncDisposableStack();
  const installation = opening.use(await newInstallation('local'));
  const line = opening.adopt(await tcpProxy(installation.port), (each) => each.close());
  const url = `http://localhost:${line.port}`;
  const lines = [line];
  const agents = await Promise.all(
    [1, 2].map(async () => {
      const agent = opening.adopt(await newAgent(), (each) => each.end());
      const way = opening.adopt(await tcpProxy(agent.port), (each) => each.close());
      lines.push(way);
      await agent.start({
        SERVER_URL: installation.url,
        CORS_ORIGINS: url,
        PUBLIC_URL: `http://localhost:${way.port}`,
      });
      return agent;
    }),
  );
  const running = await installation.up({
    env: {
      WORKER_AGENTS: JSON.stringify(
        agents.map(({ port }) => ({ address: `127.0.0.1:${port}`, token: AGENT_TOKEN })),
      ),
    },
  });
  const opened = opening.move();
  return {
    url: installation.url,
    running,
    network: {
      url,
      cut: () => {
        for (const each of lines) each.cut();
      },
      mend: () => {
        for (const each of lines) each.mend();
      },
    },
    workers: agents.length,
    async leftBehind() {
      const held = await Promise.all(agents.map((agent) => agent.held()));
      return [...(await installation.leftBehind()), ...held.flat().map(({ name }) => `seat ${name}`)];
    },
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}
