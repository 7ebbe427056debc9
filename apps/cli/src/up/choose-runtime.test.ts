import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { ENGINE_SOCKET } from '@clarateach/seats/providers/docker/engine';
import type { Bridge } from '@clarateach/seats/providers/microvm/bridge-choice';
import { rootfsFile } from '@clarateach/seats/providers/microvm/settings';
import type { Chosen } from './choose-runtime.ts';

const isRoot = process.getuid?.() === 0;
const WITHOUT_ENGINE = `[ ! -e ${ENGINE_SOCKET} ] || mount --bind /dev/null ${ENGINE_SOCKET}; exec "$0" "$@"`;
const CHOOSE = `
  const { chooseRuntime } = await import(process.argv[1]);
  const output = { note() {}, line() {}, json() {} };
  const chosen = await chooseRuntime(output, AbortSignal.timeout(60000), {
    asked: 'firecracker',
    microvm: { imagesDirectory: process.argv[2], bridge: JSON.parse(process.argv[3] ?? 'null') ?? undefined },
  }).catch((error) => ({ error: error.message }));
  console.log(JSON.stringify(chosen));`;

describe('microVM seats, before anything is built on a machine without a Docker engine', {
  skip: isRoot ? false : 'only root has microVMs, and mounts',
}, () => {
  /** In a mount namespace of its own, where the engine's socket is hidden. */
  async function chosen(
    imagesDirectory: string,
    bridge?: Bridge,
  ): Promise<Partial<Chosen> & { error?: string }> {
    const program = join(import.meta.dirname, 'choose-runtime.ts');
    const choose = [
      process.execPath,
      '--input-type=module',
      '-e',
      CHOOSE,
      program,
      imagesDirectory,
      JSON.stringify(bridge ?? null),
    ];
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    execFile('unshare', ['-m', 'sh', '-c', WITHOUT_ENGINE, ...choose], (error, stdout) =>
      error ? reject(error) : resolve(stdout),
    );
    return JSON.parse(await promise) as Partial<Chosen>;
  }

  it('take the root disk that lies there, and are told where to put one that does not', async (t) => {
    const directory = await mkdtemp(join(tmpdir(), 'images-'));
    t.after(() => rm(directory, { recursive: true, force: true }));
    const rootDisk = rootfsFile(directory);
    const { error } = await chosen(directory);
    assert.match(error ?? '', /needs Docker/);
    assert.ok(error?.endsWith(`copy it to ${rootDisk}.`));

    await writeFile(rootDisk, '');
    const { runtime, makesImages, why } = await chosen(directory);
    assert.equal(runtime, 'firecracker');
    assert.equal(makesImages, false);
    assert.ok(why?.includes(`${rootDisk} is used as it is`));
  });

  it('are refused with a bridge or addresses of somebody else before anything is built', async () => {
    const taken = await chosen('/nowhere', { name: 'lo', address: '192.168.250.1/24' });
    assert.match(taken.error ?? '', /^The network interface lo belongs to somebody else\. .*BRIDGE_NAME/);
    const own = Object.values(networkInterfaces())
      .flatMap((each) => each ?? [])
      .find(({ family, internal }) => family === 'IPv4' && !internal);
    assert.ok(own, 'this machine has a network');
    const used = await chosen('/nowhere', { name: 'clarateach-t', address: `${own.address}/28` });
    assert.match(used.error ?? '', /^The network .* is in use on this machine\. .*BRIDGE_IP/);
  });
});
