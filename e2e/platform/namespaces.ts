import { execFile } from 'node:child_process';
import { randomBytes, randomInt } from 'node:crypto';
import { promisify } from 'node:util';
import { eventually } from './up.ts';

const run = promisify(execFile);
const COMMAND_MS = 10_000;
const NEEDED = ['ip', 'nft'];

/** Why no network namespaces can be made here; undefined when they can. */
export async function whyNoNamespaces(): Promise<string | undefined> {
  if (process.getuid?.() !== 0) return 'NOT RUN: network namespaces need root';
  for (const program of NEEDED) {
    const there = await run('sh', ['-c', `command -v ${program}`]).then(
      () => true,
      () => false,
    );
    if (!there) return `NOT RUN: ${program} is not installed`;
  }
  const trial = `ct-${randomBytes(3).toString('hex')}`;
  try {
    await run('ip', ['netns', 'add', trial], { timeout: COMMAND_MS });
    await run('ip', ['netns', 'exec', trial, 'nft', 'add', 'table', 'inet', 'trial'], {
      timeout: COMMAND_MS,
    });
    return undefined;
  } catch (error) {
    return `NOT RUN: no network namespace with nftables can be made here: ${(error as Error).message.trim()}`;
  } finally {
    await run('ip', ['netns', 'del', trial], { timeout: COMMAND_MS }).catch(() => undefined);
  }
}

/** A machine of its own as far as the network goes. */
export interface Place {
  readonly address: string;
  /** Begins a command that is to run there. */
  readonly within: readonly string[];
  /** Drops what arrives from the other, what is sent to it, or both. */
  dropFrom(other: Place): Promise<void>;
  dropTo(other: Place): Promise<void>;
  /** Ends all dropping. */
  allow(): Promise<void>;
  /** The cable, out or in. */
  unplug(): Promise<void>;
  plug(): Promise<void>;
}

export interface Places extends AsyncDisposable {
  readonly places: readonly Place[];
}

/**
 * So many namespaces on one switch, which is a bridge in a namespace too; this process has a cable to it
 * and reaches them all. Everything goes when the namespaces go.
 */
export async function openPlaces(count: number): Promise<Places> {
  const prefix = `ct-${randomBytes(3).toString('hex')}`;
  // A network that machines seldom have, so that none of their routes is hidden.
  const subnet = `10.213.${randomInt(1, 255)}`;
  const hub = `${prefix}-hub`;
  const made: string[] = [];
  const ip = (...args: string[]) => run('ip', args, { timeout: COMMAND_MS });

  const close = async (): Promise<void> => {
    for (const name of made.toReversed()) await ip('netns', 'del', name);
    // A cable goes with either of its ends, a moment later.
    await eventually('the network is gone', async () => {
      const [links, names] = await Promise.all([ip('-o', 'link'), ip('netns', 'list')]);
      return !`${links.stdout}${names.stdout}`.includes(prefix);
    });
  };

  const add = async (name: string): Promise<void> => {
    await ip('netns', 'add', name);
    made.push(name);
    await ip('-n', name, 'link', 'set', 'lo', 'up');
  };

  const plugIn = async (port: string): Promise<void> => {
    await ip('-n', hub, 'link', 'set', port, 'master', 'switch', 'up');
  };

  const place = async (index: number): Promise<Place> => {
    const name = `${prefix}-${index}`;
    const port = `port${index}`;
    const address = `${subnet}.${index + 1}`;
    await add(name);
    await ip('-n', name, 'link', 'add', 'eth0', 'type', 'veth', 'peer', 'name', port, 'netns', hub);
    await ip('-n', name, 'address', 'add', `${address}/24`, 'dev', 'eth0');
    await ip('-n', name, 'link', 'set', 'eth0', 'up');
    await plugIn(port);
    const within = ['ip', 'netns', 'exec', name];
    const nft = (rule: string) => run('ip', ['netns', 'exec', name, 'nft', rule], { timeout: COMMAND_MS });
    await nft(
      'table inet cut { chain in { type filter hook input priority 0; }; chain out { type filter hook output priority 0; }; }',
    );
    return {
      address,
      within,
      dropFrom: async (other) => {
        await nft(`add rule inet cut in ip saddr ${other.address} drop`);
      },
      dropTo: async (other) => {
        await nft(`add rule inet cut out ip daddr ${other.address} drop`);
      },
      allow: async () => {
        await nft('flush table inet cut');
      },
      unplug: async () => {
        await ip('-n', hub, 'link', 'set', port, 'down');
      },
      plug: async () => {
        await ip('-n', hub, 'link', 'set', port, 'up');
      },
    };
  };

  try {
    await add(hub);
    await ip('-n', hub, 'link', 'add', 'switch', 'type', 'bridge');
    await ip('-n', hub, 'link', 'set', 'switch', 'up');
    const own = `${prefix}-me`.slice(0, 15);
    await ip('link', 'add', own, 'type', 'veth', 'peer', 'name', 'port0', 'netns', hub);
    await ip('address', 'add', `${subnet}.1/24`, 'dev', own);
    await ip('link', 'set', own, 'up');
    await plugIn('port0');
    const places: Place[] = [];
    for (let index = 1; index <= count; index++) places.push(await place(index));
    return { places, [Symbol.asyncDispose]: close };
  } catch (error) {
    await close();
    throw error;
  }
}
