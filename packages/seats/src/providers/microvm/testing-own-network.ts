import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { runProgram } from './run-program.ts';

const INSIDE = 'CLARATEACH_TEST_NETWORK';

/**
 * Moves a file of tests into a network of its own, which ends with it: another machine, as far as
 * interfaces, routes, rules and forwarding go. True there; outside the file has no tests to say.
 */
export async function inOwnNetwork(file: string): Promise<boolean> {
  if (process.env[INSIDE] === file) return true;
  const missing =
    process.getuid?.() === 0
      ? await runProgram('nft', ['--version']).then(
          () => undefined,
          () => 'nft is not installed',
        )
      : 'only root may make a network';
  if (missing !== undefined) {
    console.log(`NOT RUN: ${file}: ${missing}`);
    if (process.env.CI === 'true') throw new Error(`NOT RUN: ${missing}`);
    return false;
  }
  const furnish = [
    'mount -t sysfs sysfs /sys',
    // Networks that are named leave files there.
    'mount -t tmpfs tmpfs /run && mkdir /run/netns',
    'ip link set lo up',
    'exec "$@"',
  ].join(' && ');
  const command = ['sh', '-c', furnish, 'sh', process.execPath, file];
  const child = spawn('unshare', ['--net', '--mount', '--', ...command], {
    stdio: 'inherit',
    env: { ...process.env, [INSIDE]: file },
  });
  const [code] = (await once(child, 'exit')) as [number | null];
  process.exitCode = code ?? 1;
  return false;
}

/** A place behind a port or a wire, in a network of its own below this one. */
export interface Place {
  /** Runs a program there, and returns what it printed. */
  run(program: string, ...args: string[]): Promise<string>;
  /** How many packets have come in that match, since this was asked for first. */
  count(match: string): Promise<() => Promise<number>>;
}

/** `link` is a network interface, which becomes the place's `eth0`. */
export async function place(name: string, link: string, ...addresses: string[]): Promise<Place> {
  await runProgram('ip', ['netns', 'add', name]);
  await runProgram('ip', ['link', 'set', 'dev', link, 'netns', name, 'name', 'eth0']);
  const run = (program: string, ...args: string[]) =>
    runProgram('ip', ['netns', 'exec', name, program, ...args]);
  for (const address of addresses) await run('ip', 'address', 'add', address, 'dev', 'eth0');
  await run('ip', 'link', 'set', 'lo', 'up');
  await run('ip', 'link', 'set', 'eth0', 'up');
  let counters = 0;
  return {
    run,
    count: async (match) => {
      counters += 1;
      const table = `counted${counters}`;
      const chain = `chain arrived { type filter hook ingress device "eth0" priority 0; ${match} counter\n }\n`;
      await run('nft', `table netdev ${table} {\n${chain}}`);
      return async () => {
        const listed = await run('nft', 'list', 'table', 'netdev', table);
        return Number(/counter packets (\d+)/.exec(listed)?.[1]);
      };
    },
  };
}

/** A host outside, behind the machine's own line. */
export async function farPlace(address: string): Promise<Place> {
  await runProgram('ip', ['link', 'add', 'up0', 'type', 'veth', 'peer', 'name', 'far0']);
  await runProgram('ip', ['address', 'add', '203.0.113.1/24', 'dev', 'up0']);
  await runProgram('ip', ['link', 'set', 'up0', 'up']);
  return place('far', 'far0', `${address}/24`);
}

/** What stands for a seat's guest, behind its port: it has the seat's names. */
export async function guestPlace(
  { port, mac, address }: { port: string; mac: string; address: string },
  gateway: string,
): Promise<Place> {
  const guest = `${port}-i`;
  await runProgram('ip', ['link', 'set', 'dev', guest, 'address', mac]);
  const made = await place(`guest-${address}`, guest, `${address}/24`);
  await made.run('ip', 'route', 'add', 'default', 'via', gateway);
  return made;
}
