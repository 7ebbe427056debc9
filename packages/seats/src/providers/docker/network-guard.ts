import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type Dockerode from 'dockerode';
import { ProviderError } from '../../provider.ts';
import { Turnstile } from '../../turnstile.ts';
import { abortable, statusOf, unless } from './engine.ts';
import { guardRules, parseResolvers } from './guard-rules.ts';
import { carries, installationLabels, type Labels } from './labels.ts';
import { bridgePrefix } from './seat-network.ts';

const ROLE = 'clarateach.role';
const RULES = 'clarateach.guard-rules';
const READY = 'guarding';
const READY_DEADLINE_MS = 30_000;
const STARTS = 3;

/**
 * Applies the rules and keeps them: a firewall that is reloaded takes all tables away, so they are
 * looked at every 3 s and put back. TERM takes them away for good.
 */
const SCRIPT = `
apply() { printf '%s\\n' "$RULES" | nft -f -; }
rules() { nft list table inet "$TABLE" 2>/dev/null; }
apply || exit 1
applied=$(rules)
trap 'nft delete table inet "$TABLE"; exit 0' TERM
echo ${READY}
while :; do
  sleep 3 & wait $!
  [ "$(rules)" = "$applied" ] || apply || exit 1
done`;

interface NetworkGuardOptions {
  readonly docker: Dockerode;
  readonly installation: string;
  /** An image with nft and a shell: the seats' own. */
  readonly image: string;
  /** Name servers on private addresses that seats may ask; the host's own when empty. */
  readonly resolvers: readonly string[];
  /** Whether the installation has a seat network that needs the guard. */
  readonly isNeeded: (signal: AbortSignal) => Promise<boolean>;
}

/**
 * The fence around the seats: nftables rules on the host, held by one small container in the host's
 * network. The container's life is the rules' life, so whoever sees it run knows that the seats are
 * fenced in; it outlives a server that is killed, and goes with the last seat.
 */
export class NetworkGuard {
  readonly #options: NetworkGuardOptions;
  readonly #name: string;
  readonly #table: string;
  readonly #turnstile = new Turnstile();
  #holders = 0;
  #check: Promise<void> | undefined;
  /** The container that has said that its rules are in force. */
  #seenReady: string | undefined;

  constructor(options: NetworkGuardOptions) {
    this.#options = options;
    const id = createHash('sha256').update(options.installation).digest('hex').slice(0, 12);
    this.#name = `clarateach-guard-${id}`;
    this.#table = `clarateach-${id}`;
  }

  /** While anybody holds it, {@link releaseIfUnused} leaves the guard alone. */
  async whileHeld<T>(work: () => Promise<T>): Promise<T> {
    this.#holders += 1;
    try {
      return await work();
    } finally {
      this.#holders -= 1;
    }
  }

  /**
   * After: the rules are in force. Without them no seat starts: a failure is a
   * {@link ProviderError}. Many askers at once are one question.
   */
  ensure(signal: AbortSignal): Promise<void> {
    // One asker's abort must not fail the others, so the question itself is nobody's.
    this.#check ??= this.#turnstile
      .pass(() => this.#start())
      .finally(() => {
        this.#check = undefined;
      });
    return abortable(this.#check, signal);
  }

  /** Whether this container is the guard's and does its work. */
  isGuard({ Labels, State }: { Labels: Labels; State: string }): boolean {
    return Labels[ROLE] === 'guard' && State === 'running';
  }

  /** After: the rules are gone if no seat is left that needs them. */
  async releaseIfUnused(signal: AbortSignal): Promise<void> {
    await this.#turnstile.pass(async () => {
      if (this.#holders > 0 || (await this.#options.isNeeded(signal))) return;
      await this.#stop();
      // Another server of this installation may have made a seat in between.
      if (await this.#options.isNeeded(signal)) await this.#start();
    });
  }

  async #start(): Promise<void> {
    const { docker, installation } = this.#options;
    const rules = guardRules({
      table: this.#table,
      bridges: bridgePrefix(installation),
      resolvers: await this.#resolvers(),
    });
    const hash = createHash('sha256').update(rules).update(SCRIPT).update(this.#options.image).digest('hex');
    for (let tries = 1; ; tries += 1) {
      const found = await unless([404], docker.getContainer(this.#name).inspect());
      if (found && !carries(found.Config.Labels, installationLabels(installation))) {
        throw new ProviderError(
          'rejected',
          `The engine has a container ${this.#name} that this installation did not make. Remove it first.`,
        );
      }
      if (found?.State.Running && found.Config.Labels[RULES] === hash) {
        // Another process may have started it just now.
        if (this.#seenReady === found.Id) return;
        if (await this.#isReady()) {
          this.#seenReady = found.Id;
          return;
        }
      }
      // Killed, not stopped: the old rules stay in force until the new ones replace them.
      if (found) await unless([404, 409], docker.getContainer(found.Id).remove({ force: true }));
      try {
        await this.#create(rules, hash);
        return;
      } catch (error) {
        // 409: another server of this installation is at the same.
        if (statusOf(error) !== 409 || tries >= STARTS) throw error;
      }
    }
  }

  async #create(rules: string, hash: string): Promise<void> {
    const { docker, installation, image } = this.#options;
    const container = await docker.createContainer({
      name: this.#name,
      Image: image,
      User: '0:0',
      WorkingDir: '/',
      Entrypoint: ['/bin/sh', '-c', SCRIPT],
      Env: [`TABLE=${this.#table}`, `RULES=${rules}`, 'PATH=/usr/sbin:/usr/bin:/sbin:/bin'],
      Labels: { ...installationLabels(installation), [ROLE]: 'guard', [RULES]: hash },
      HostConfig: {
        NetworkMode: 'host',
        UsernsMode: 'host',
        CapDrop: ['ALL'],
        CapAdd: ['NET_ADMIN'],
        SecurityOpt: ['no-new-privileges:true'],
        ReadonlyRootfs: true,
        Memory: 32 * 1024 * 1024,
        PidsLimit: 32,
        RestartPolicy: { Name: 'unless-stopped' },
        LogConfig: { Type: 'json-file', Config: { 'max-size': '1m', 'max-file': '1' } },
      },
    });
    try {
      try {
        await container.start();
      } catch (error) {
        if ((statusOf(error) ?? 500) >= 500) throw error;
        throw guardFailed((error as Error).message, error);
      }
      if (await this.#isReady()) {
        this.#seenReady = container.id;
        return;
      }
      throw guardFailed(plain(await container.logs({ stdout: true, stderr: true, tail: 5 })));
    } catch (error) {
      await container.remove({ force: true }).catch(() => {});
      throw error;
    }
  }

  /** Waits for the container to say that the rules are in force; false when it ended instead. */
  async #isReady(): Promise<boolean> {
    const stream = await this.#options.docker
      .getContainer(this.#name)
      .logs({ follow: true, stdout: true, abortSignal: AbortSignal.timeout(READY_DEADLINE_MS) });
    let said = '';
    try {
      for await (const chunk of stream) {
        said += String(chunk);
        if (said.includes(READY)) return true;
      }
      return false;
    } finally {
      (stream as unknown as { destroy(): void }).destroy();
    }
  }

  async #stop(): Promise<void> {
    const container = this.#options.docker.getContainer(this.#name);
    const found = await unless([404], container.inspect());
    if (!found || !carries(found.Config.Labels, installationLabels(this.#options.installation))) return;
    // One that was killed has left its rules behind; only a running one takes them along.
    if (!found.State.Running && (await unless([304, 404], container.start()))) {
      await this.#isReady();
    }
    await unless([304, 404], container.stop({ t: 5 }));
    await unless([404, 409], container.remove({ force: true }));
  }

  async #resolvers(): Promise<readonly string[]> {
    if (this.#options.resolvers.length > 0) return this.#options.resolvers;
    const found = parseResolvers(await readFile('/etc/resolv.conf', 'utf8').catch(() => ''));
    if (found.length > 0) return found;
    // A host with a stub resolver keeps the real name servers here, where the engine reads them too.
    return parseResolvers(await readFile('/run/systemd/resolve/resolv.conf', 'utf8').catch(() => ''));
  }
}

function guardFailed(said: string, cause?: unknown): ProviderError {
  return new ProviderError(
    'rejected',
    `No seat was started, because the network guard that keeps seats apart could not be applied. The host's kernel needs nftables (\`modprobe nf_tables\`), and the engine must allow a container with NET_ADMIN in the host's network. It said: ${said.trim()}`,
    { cause },
  );
}

/** What a container wrote, without the engine's framing. */
function plain(logs: Buffer): string {
  return logs
    .toString('utf8')
    .replace(/[^\x20-\x7e\n]/g, '')
    .trim()
    .slice(-500);
}
