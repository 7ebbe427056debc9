import { once } from 'node:events';
import type { Config } from '@clarateach/server/config';
import { requireUnserved } from '@clarateach/server/data-directory';
import type { UpOptions } from '../commands/up.ts';
import { CommandError } from '../errors.ts';
import { checkPort } from '../machine/checks.ts';
import { configFrom } from '../operator/database.ts';
import { createToken, revokeToken } from '../operator/people.ts';
import type { Output } from '../output.ts';
import { whileBuilding } from '../prepare/build-lock.ts';
import { buildWeb } from '../prepare/builds.ts';
import { prepareSeats } from '../prepare/seats.ts';
import { step } from '../prepare/step.ts';
import { type Chosen, chooseRuntime } from './choose-runtime.ts';
import { demoWorkshop } from './demo.ts';
import { startServer } from './start-server.ts';

/** Brings a checkout to a running server with seats, and ends both when the signal is aborted. */
export async function up(output: Output, signal: AbortSignal, options: UpOptions): Promise<void> {
  const settings = {
    PORT: options.port?.toString(),
    HOST: options.host,
    DATA_DIR: options.data,
    RUNTIME: options.runtime,
    // A person reads this terminal: what goes well is not worth a line of JSON.
    LOG_LEVEL: process.env.LOG_LEVEL ?? 'warn',
  };
  // Wrong settings and a busy port are told before anything is built.
  const { workers, ...asked } = configFrom(settings);
  await requirePort(asked);

  const onWorkers = workers.length > 0;
  const runtime = onWorkers ? undefined : await runtimeHere(output, signal, asked);
  if (onWorkers) {
    output.note(`Seats run on ${workers.length} ${workers.length === 1 ? 'worker' : 'workers'}`);
    await whileBuilding(output, signal, () => buildWeb(output, signal));
  }

  const config = configFrom({ ...settings, ...(runtime && { RUNTIME: runtime }) });
  const start = () => startServer(config, 'stop-seats');
  // A KVM is tried with a guest, which may take ten seconds.
  const server = await (runtime === 'firecracker'
    ? step(output, 'Starting the server, and finding out what runs a virtual machine', start)
    : start());
  try {
    signal.throwIfAborted();
    // Which VMM runs them is known only now.
    if (runtime === 'firecracker') for (const note of server.runtimeNotes) output.note(note);
    if (server.signInUrl !== undefined) output.line(`Sign in: ${server.signInUrl}`);
    if (options.demo !== undefined) await demo(output, signal, options.demo, { config, url: server.url });
    output.line(`ClaraTeach is ready at ${server.url}`);
    if (!signal.aborted) await once(signal, 'abort');
  } finally {
    await server.close();
    output.note(
      onWorkers
        ? 'Stopped. The seats run on, on their workers.'
        : 'Stopped. Files of the seats are kept; the next start brings the seats back.',
    );
  }
}

/** Chooses what seats run in on this machine, and builds it. */
async function runtimeHere(
  output: Output,
  signal: AbortSignal,
  { runtime, microvm, database }: Pick<Config, 'runtime' | 'microvm' | 'database'>,
): Promise<Chosen['runtime']> {
  const { imagesDirectory } = microvm;
  const asked = runtime.kind === 'auto' ? 'auto' : runtime.name;
  const chosen = await chooseRuntime(output, signal, { asked, microvm });
  output.note(`Seats run in the ${chosen.runtime} runtime (${chosen.why})`);
  await whileBuilding(output, signal, async () => {
    await buildWeb(output, signal);
    const { imageIsNew } = await prepareSeats(output, signal, chosen, imagesDirectory);
    if (!imageIsNew) return;
    const { removeOldImages } = await import('../prepare/old-images.ts');
    await removeOldImages(output, signal, database);
  });
  return chosen.runtime;
}

async function requirePort({
  port,
  host,
  dataDirectory,
}: Pick<Config, 'port' | 'host' | 'dataDirectory'>): Promise<void> {
  const check = await checkPort(port, host);
  if (!check.ok) {
    // A second `up` is told of the first one, rather than of some program on its port.
    try {
      requireUnserved(dataDirectory);
    } catch (error) {
      throw new CommandError((error as Error).message, { cause: error });
    }
    throw new CommandError(`Port ${port} of ${host} is ${check.detail}. ${check.remedy}`);
  }
}

async function demo(
  output: Output,
  signal: AbortSignal,
  seats: number,
  server: { readonly config: Config; readonly url: string },
): Promise<void> {
  output.note(`Starting a demo workshop of ${seats} ${seats === 1 ? 'seat' : 'seats'} …`);
  const access = await createToken(server.config, {
    token: { name: 'clarateach up --demo', scopes: ['workshops:write'] },
    email: undefined,
  });
  try {
    const code = await demoWorkshop(output, { url: server.url, token: access.token }, seats, signal);
    output.line(`Join code: ${code}`);
  } catch (error) {
    signal.throwIfAborted();
    // The server is of use without the demo; the web app shows what is wrong with its seats.
    output.note(`clarateach: the demo workshop is not ready: ${(error as Error).message}`);
  } finally {
    await revokeToken(server.config, access.id);
  }
}
