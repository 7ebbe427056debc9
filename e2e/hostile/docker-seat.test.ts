import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { networkInterfaces } from 'node:os';
import { after, before, beforeEach, describe, it } from 'node:test';
import { seatName } from '@clarateach/contract/ids';
import type { SeatProvider } from '@clarateach/seats/provider';
import { dockerProvider } from '@clarateach/seats/providers/docker';
import { ENGINE_SOCKET, engineClient } from '@clarateach/seats/providers/docker/engine';
import {
  observed,
  randomWorkshop,
  runIn,
  runInSeat,
  SEAT_IMAGE,
  specOf,
  TEST_DEADLINE_MS,
} from '@clarateach/seats/providers/docker/testing';
import type Dockerode from 'dockerode';
import { canRunSeats } from '../platform/can-run.ts';
import { CIS_RULES, cisFindings } from './cis-docker.ts';
import { type InsideAttack, insideAttacks, MEMORY_MIB, PROCESSES } from './inside.ts';

const AT_ONCE = 4;
const docker = engineClient(ENGINE_SOCKET);
const LIMITS = { memoryMiB: MEMORY_MIB, cpus: 1, processes: PROCESSES, openFiles: 2048 };
/** Attacks that a container without bounds would carry out on the machine of the tests. */
const NOT_ON_THIS_MACHINE =
  /memory than|sets the clock|sets the host name|writes |kernel module|changes its own/;

/** What the machine of the tests does not have or forbids to everybody. */
const NOT_EVEN_WITH_HOLES =
  /metadata|IPv6|set-uid|in \/run$|kernel's memory|host's disks|keyring|makes a device/;

/** Attacks that worked, of those that are given. */
async function worked(
  run: (script: string) => Promise<{ output: string }>,
  attacks: readonly InsideAttack[],
): Promise<string[]> {
  const found: string[] = [];
  const next = attacks.values();
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      for (const { name, script } of next) {
        if (/\bhole\b/.test((await run(script)).output)) found.push(name);
      }
    }),
  );
  return found.sort();
}

describe('a docker seat in a hostile room, from inside', canRunSeats('docker'), () => {
  const workshop = randomWorkshop();
  const [seat, neighbour] = [1, 2].map((number) => ({ workshop, seat: number })) as [SeatOf, SeatOf];
  type SeatOf = { workshop: typeof workshop; seat: number };
  /** One for each test: they wait for each other, and for a machine in use. */
  let signal = AbortSignal.timeout(TEST_DEADLINE_MS);
  const onHost = createServer((_request, response) => response.end('host'));
  let provider: SeatProvider;
  let attacks: InsideAttack[];

  before(async () => {
    await new Promise<void>((resolve) => onHost.listen(0, '0.0.0.0', resolve));
    provider = await dockerProvider({ image: SEAT_IMAGE, installation: `hostile-${workshop}` });
    await Promise.all([seat, neighbour].map((id) => provider.ensure(specOf(id, { limits: LIMITS }), signal)));
    const [, other] = await Promise.all([seat, neighbour].map((id) => observed(provider, id, 'running')));
    const hostAddresses = Object.values(networkInterfaces())
      .flatMap((each) => each ?? [])
      .filter(({ family, internal }) => family === 'IPv4' && !internal)
      .map(({ address }) => address)
      .slice(0, 8);
    attacks = insideAttacks({
      hostAddresses,
      hostPort: (onHost.address() as { port: number }).port,
      neighbour: other?.endpoint.kind === 'tcp' ? other.endpoint.host : undefined,
    });
  });
  beforeEach(() => {
    signal = AbortSignal.timeout(TEST_DEADLINE_MS);
  });
  after(async () => {
    signal = AbortSignal.timeout(TEST_DEADLINE_MS);
    onHost.close();
    await Promise.all([seat, neighbour].map((id) => provider.destroy(id, signal)));
    await provider.close();
  });

  it('gets at nothing: no privilege, no file, device, process, address or amount that is not its own', async () => {
    assert.ok(attacks.length > 35, `${attacks.length} attacks`);
    assert.deepEqual(await worked((script) => runInSeat(docker, seat, script), attacks), []);
    assert.equal((await provider.observe(seat, signal)).state, 'running', 'it lives on after all that');
    assert.equal((await provider.observe(neighbour, signal)).state, 'running', 'and so does its neighbour');
  });

  it("follows the CIS Docker Benchmark's recommendations for containers", async () => {
    assert.ok(CIS_RULES.length >= 25);
    assert.deepEqual(cisFindings(await docker.getContainer(seatName(seat)).inspect()), []);
  });

  it('the attacks work in a container that is given what a seat is not', async () => {
    const { port } = onHost.address() as { port: number };
    const holed = await docker.createContainer(holedContainer(`${seatName(seat)}-holed`));
    try {
      await holed.start();
      const tried = insideAttacks({
        hostAddresses: ['127.0.0.1'],
        hostPort: port,
        neighbour: undefined,
      }).filter(({ name }) => !NOT_ON_THIS_MACHINE.test(name));
      const found = await worked((script) => runIn(docker, holed.id, script), tried);
      const unnoticed = tried.map(({ name }) => name).filter((name) => !found.includes(name));
      assert.deepEqual(
        unnoticed.filter((name) => !NOT_EVEN_WITH_HOLES.test(name)),
        [],
      );
      assert.ok(found.length >= 20, found.join('\n'));
    } finally {
      await holed.remove({ force: true });
    }
  });

  it('the recommendations notice a container that follows none', async () => {
    const created = await docker.createContainer({
      ...holedContainer(`${seatName(seat)}-created`),
      HostConfig: { ...holedContainer('').HostConfig, Privileged: true },
    });
    try {
      const broken = cisFindings(await created.inspect()).map((finding) => finding.split(':')[0]);
      // What a container gets of these by default is what is recommended.
      assert.deepEqual(
        CIS_RULES.filter((number) => !broken.includes(number)),
        ['5.1', '5.8', '5.9', '5.20', '5.25', '5.29'],
      );
    } finally {
      await created.remove({ force: true });
    }
  });
});

/** A planted hole of the greatest size: a container that is as good as the host. */
function holedContainer(name: string): Dockerode.ContainerCreateOptions {
  return {
    name,
    Image: SEAT_IMAGE,
    User: '0',
    Entrypoint: ['sleep', '300'],
    HostConfig: {
      CapAdd: ['SYS_ADMIN', 'NET_RAW', 'NET_ADMIN', 'MKNOD', 'SYS_PTRACE', 'SYSLOG'],
      NetworkMode: 'host',
      PidMode: 'host',
      IpcMode: 'host',
      UTSMode: 'host',
      UsernsMode: 'host',
      SecurityOpt: ['apparmor=unconfined', 'seccomp=unconfined', 'label=disable'],
      Binds: ['/var/run/docker.sock:/var/run/docker.sock', '/etc:/host/etc:ro'],
      Devices: [{ PathOnHost: '/dev/null', PathInContainer: '/dev/null2', CgroupPermissions: 'r' }],
      RestartPolicy: { Name: 'on-failure', MaximumRetryCount: 1 },
    },
  } as Dockerode.ContainerCreateOptions;
}
