import { once } from 'node:events';
import type { Config } from '@clarateach/server/config';
import type { UpOptions } from '../commands/up.ts';
import { CommandError } from '../errors.ts';
import { checkPort } from '../machine/checks.ts';
import { configFrom } from '../operator/database.ts';
import { createToken, revokeToken } from '../operator/people.ts';
import type { Output } from '../output.ts';
import { whileBuilding } from '../prepare/build-lock.ts';
import { buildSeatPrograms, buildWeb } from '../prepare/builds.ts';
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
    // A person reads this terminal: what goes well is not worth a line of JSON.
    LOG_LEVEL: process.env.LOG_LEVEL ?? 'warn',
  };
  // Wrong settings and a busy port are told before anything is built.
  const { port, host } = configFrom(settings);
  await requirePort(port, host);

  const { runtime, why } = await chooseRuntime(output, signal, options.runtime);
  output.note(`Seats run in the ${runtime} runtime (${why})`);
  const config = configFrom({ ...settings, RUNTIME: runtime });
  await whileBuilding(output, signal, () => build(output, signal, config, runtime));

  const server = await startServer(config, 'stop-seats');
  try {
    signal.throwIfAborted();
    if (server.signInUrl !== undefined) output.line(`Sign in: ${server.signInUrl}`);
    if (options.demo !== undefined) await demo(output, signal, options.demo, { config, url: server.url });
    output.line(`ClaraTeach is ready at ${server.url}`);
    if (!signal.aborted) await once(signal, 'abort');
  } finally {
    await server.close();
    output.note('Stopped. Files of the seats are kept; the next start brings the seats back.');
  }
}

async function requirePort(port: number, host: string): Promise<void> {
  const check = await checkPort(port, host);
  if (!check.ok) {
    throw new CommandError(`Port ${port} of ${host} is ${check.detail}. ${check.remedy}`);
  }
}

async function build(
  output: Output,
  signal: AbortSignal,
  config: Config,
  runtime: Chosen['runtime'],
): Promise<void> {
  await buildWeb(output, signal);
  if (runtime === 'local') await buildSeatPrograms(output, signal);
  else {
    const { buildSeatImage } = await import('../prepare/seat-image.ts');
    await step(output, 'Preparing the seat image', () => buildSeatImage(output, signal));
    if (runtime === 'firecracker') {
      const { prepareMicrovmImages } = await import('../prepare/microvm-images.ts');
      await prepareMicrovmImages(output, signal, config.microvm.imagesDirectory);
    }
  }
}

async function demo(
  output: Output,
  signal: AbortSignal,
  seats: number,
  server: { readonly config: Config; readonly url: string },
): Promise<void> {
  output.note(`Starting a demo workshop of ${seats} ${seats === 1 ? 'seat' : 'seats'} …`);
  const access = await createToken(server.config, { name: 'clarateach up --demo', email: undefined });
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
