import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, copyFile, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { which } from './machine/which.ts';
import { ROOT } from './root.ts';

/** What the launcher takes from a bare system, apart from Node.js and npm. */
const SYSTEM_PROGRAMS = ['sh', 'dirname', 'cmp', 'mkdir', 'readlink', 'flock'];

/** The launcher in a checkout of its own, with programs that stand in for those of the machine. */
describe('the launcher', () => {
  let checkout: string;
  let bin: string;

  beforeEach(async () => {
    const base = await mkdtemp(join(tmpdir(), 'launcher-'));
    checkout = join(base, 'a checkout');
    bin = join(base, 'bin');
    await mkdir(join(checkout, 'apps', 'cli', 'src'), { recursive: true });
    await mkdir(bin);
    for (const program of SYSTEM_PROGRAMS) {
      const file = await which(program);
      if (file !== undefined) await symlink(file, join(bin, program));
    }
    await copyFile(join(ROOT, 'clarateach'), join(checkout, 'clarateach'));
    await copyFile(join(ROOT, 'apps', 'cli', 'install.mjs'), join(checkout, 'apps', 'cli', 'install.mjs'));
    await writeFile(join(checkout, 'package.json'), '{"name":"x","type":"module"}');
    await writeFile(
      join(checkout, 'package-lock.json'),
      '{"packages":{"node_modules/node":{"version":"26.0.0"}}}',
    );
    await writeFile(
      join(checkout, 'apps', 'cli', 'src', 'main.ts'),
      'console.log("main " + process.argv.slice(2));',
    );
  });
  afterEach(() => rm(join(checkout, '..'), { recursive: true }));

  async function program(name: string, script: string): Promise<void> {
    await writeFile(join(bin, name), `#!/bin/sh\n${script}\n`);
    await chmod(join(bin, name), 0o755);
  }

  /** An npm that installs this very Node.js, as the package of that name does. */
  const npmThatWorks = () =>
    program(
      'npm',
      `PATH=/usr/bin:/bin
mkdir -p node_modules/node/bin && ln -sf '${process.execPath}' node_modules/node/bin/node
cp package-lock.json node_modules/.package-lock.json
echo run >> npm-runs`,
    );

  async function launch(...args: string[]) {
    const child = spawn(join(checkout, 'clarateach'), args, {
      env: { PATH: bin },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const [stdout, stderr, [code]] = await Promise.all([
      text(child.stdout),
      text(child.stderr),
      once(child, 'close') as Promise<[number | null]>,
    ]);
    return { code, stdout, stderr };
  }

  it('installs once, then starts at once, with the arguments as they are', async () => {
    await symlink(process.execPath, join(bin, 'node'));
    await npmThatWorks();
    const first = await launch('a', 'b c');
    assert.equal(first.code, 0, first.stderr);
    assert.equal(first.stdout, 'main a,b c\n');
    assert.match(first.stderr, /Installing the packages/);
    await rm(join(bin, 'npm'));
    await rm(join(bin, 'node'));
    const second = await launch('d');
    assert.deepEqual(second, { code: 0, stdout: 'main d\n', stderr: '' });
  });

  it('installs again when the lock file has changed', async () => {
    await symlink(process.execPath, join(bin, 'node'));
    await npmThatWorks();
    await launch();
    await writeFile(
      join(checkout, 'package-lock.json'),
      '{"packages":{"node_modules/node":{"version":"26.0.1"}}}',
    );
    assert.match((await launch()).stderr, /Installing the packages/);
  });

  it('lets one of two first runs install, and the other wait', async () => {
    await symlink(process.execPath, join(bin, 'node'));
    await npmThatWorks();
    const runs = await Promise.all([launch('one'), launch('two')]);
    assert.deepEqual(
      runs.map((run) => run.code),
      [0, 0],
    );
    assert.equal(runs.filter((run) => run.stderr.includes('Installing the packages')).length, 1);
  });

  it('says what is missing: Node.js, a newer one, npm', async () => {
    assert.match((await launch()).stderr, /Node\.js is not installed\. Install Node\.js 20 or newer/);
    await program('node', '[ "$1" = -p ] && echo 18 || echo v18.20.0');
    assert.match((await launch()).stderr, /Node\.js v18\.20\.0 is too old/);
    await rm(join(bin, 'node'));
    await symlink(process.execPath, join(bin, 'node'));
    const { code, stderr } = await launch();
    assert.equal(code, 1);
    assert.match(stderr, /npm is not installed/);
  });

  it('says in words what npm could not do', async () => {
    await symlink(process.execPath, join(bin, 'node'));
    await program('npm', 'echo "npm error code ENOTFOUND" >&2; exit 1');
    const offline = await launch();
    assert.equal(offline.code, 1);
    assert.match(offline.stderr, /The npm registry cannot be reached/);
    await program('npm', 'echo "npm error ENOSPC: no space left on device" >&2; exit 1');
    assert.match((await launch()).stderr, /The disk is full/);
  });
});
