import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SeatSession } from '@clarateach/contract/join';
import type { WorkshopDetails } from '@clarateach/contract/workshop';
import { dockerProvider } from '@clarateach/seats/providers/docker';
import { localProvider } from '@clarateach/seats/providers/local';
import type { Overrides } from '@clarateach/server/main';
import { type TestClient, type TestServer, testServer } from '@clarateach/server/testing/server';

const ROOT = join(import.meta.dirname, '..', '..');
const SEAT_IMAGE = 'clarateach-workspace:latest';

/** What the seats of a room run in; `instant` seats are ready at once and hold nothing. */
export type RoomSeats = 'instant' | 'local' | 'docker';

/** Somebody with an account, by a browser's session and by a program's token. */
export interface Instructor {
  readonly email: string;
  readonly browser: TestClient;
  readonly program: TestClient;
  readonly token: string;
}

/**
 * A real server with people who do not trust one another: the admin, Ben and his workshop with Ada
 * (seat 1) and Eve (seat 2), Mallory and hers with Mia.
 */
export interface HostileRoom extends AsyncDisposable {
  readonly server: TestServer;
  readonly base: string;
  readonly admin: Instructor;
  readonly ben: Instructor;
  readonly mallory: Instructor;
  readonly workshop: WorkshopDetails;
  readonly elsewhere: WorkshopDetails;
  readonly ada: SeatSession;
  readonly eve: SeatSession;
  readonly mia: SeatSession;
}

export async function hostileRoom(
  options: {
    readonly seats?: RoomSeats;
    /** Seats of Ben's workshop; those beyond the second stay free. */
    readonly places?: number;
    readonly env?: Record<string, string>;
  } = {},
): Promise<HostileRoom> {
  const { seats = 'instant', places = 2, env = {} } = options;
  await using opening = new AsyncDisposableStack();
  const server = await roomServer(seats, env, opening);
  const admin = await instructor(server, server.signInUrl);
  const ben = await instructor(server, await server.linkFor('ben@example.org'));
  const mallory = await instructor(server, await server.linkFor('mallory@example.org'));
  const workshop = await server.createWorkshop(ben.program, { name: 'Shell for strangers', seats: places });
  const elsewhere = await server.createWorkshop(mallory.program, { name: 'Elsewhere', seats: 1 });
  const join = (code: string, name: string) =>
    server.anyone.json<SeatSession>(200, 'POST', '/api/join', { code, name });
  const ada = await join(workshop.code, 'Ada');
  const eve = await join(workshop.code, 'Eve');
  const mia = await join(elsewhere.code, 'Mia');
  const whole = opening.move();
  return {
    server,
    base: `http://127.0.0.1:${server.port}`,
    ...{ admin, ben, mallory, workshop, elsewhere, ada, eve, mia },
    [Symbol.asyncDispose]: () => whole.disposeAsync(),
  };
}

async function roomServer(
  seats: RoomSeats,
  env: Record<string, string>,
  opening: AsyncDisposableStack,
): Promise<TestServer> {
  const overrides: Overrides = { atEnd: 'stop-seats' };
  if (seats === 'instant') return opening.adopt(await testServer({ env }), (each) => each.close());
  const signal = new AbortController().signal;
  const provider = await realProvider(seats, opening);
  const server = await testServer({
    env,
    overrides: { ...overrides, providers: new Map([[seats, provider]]) },
  });
  opening.defer(async () => {
    await server.close();
    for (const seat of await provider.list(signal)) await provider.destroy(seat, signal);
    await provider.close();
  });
  return server;
}

async function realProvider(seats: 'local' | 'docker', opening: AsyncDisposableStack) {
  if (seats === 'docker') {
    return dockerProvider({ image: SEAT_IMAGE, installation: `hostile-${process.pid}-${Date.now()}` });
  }
  const root = await mkdtemp(join(tmpdir(), 'clarateach-hostile-'));
  opening.defer(() => rm(root, { recursive: true, force: true }));
  return localProvider({
    root,
    toolsDirectory: join(ROOT, 'images', 'workspace', 'tools'),
    workspaceBundle: join(ROOT, 'apps', 'workspace', 'dist'),
  });
}

/** Somebody who came by a sign-in link, the way an operator lets people in. */
export async function instructor(server: TestServer, link: string | undefined): Promise<Instructor> {
  if (link === undefined) throw new Error('The first start gave no sign-in link.');
  const session = await server.signedIn(link);
  // What a page of the site itself sends along.
  const browser = server.as({ ...session.headers, origin: server.url });
  const { email } = await browser.json<{ email: string }>(200, 'GET', '/api/account');
  const { token } = await browser.json<{ token: string }>(201, 'POST', '/api/tokens', {
    name: 'hostile room',
  });
  return { email, browser, program: server.as({ authorization: `Bearer ${token}` }), token };
}
