import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { IMAGES, whyNoMicrovms } from '@clarateach/seats/providers/microvm/testing';
import { runCli } from '../testing/run-cli.ts';

const skip = await whyNoMicrovms();
if (skip) {
  console.log(`NOT RUN: microvm setup: ${skip}`);
  if (process.env.CI === 'true') throw new Error(`NOT RUN: ${skip}`);
}

interface Report {
  readonly steps: readonly { readonly step: string; readonly changed: boolean; readonly detail: string }[];
}

describe('clarateach microvm setup', { skip: skip ?? false, concurrency: false }, () => {
  let directory: string;
  let release: string;
  let env: Record<string, string>;
  const bridge = `cts${process.pid}`;
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'clarateach-setup-'));
    env = { IMAGES_DIR: join(directory, 'images'), BRIDGE_NAME: bridge, BRIDGE_IP: '192.168.236.1/24' };
    // The guest kernel of the test runner: nothing is fetched here.
    for (const name of ['vmlinux', 'initrd.cpio', 'guest.json']) {
      await cp(join(IMAGES, name), join(directory, 'images', name));
    }
    release = join(directory, 'firecracker.tgz');
    const folder = 'release-v1.16.1-x86_64';
    await mkdir(join(directory, folder));
    for (const name of ['firecracker', 'jailer']) {
      await writeFile(join(directory, folder, `${name}-v1.16.1-x86_64`), '#!/bin/sh\n');
    }
    await promisify(execFile)('tar', ['-C', directory, '-czf', release, folder]);
  });
  after(async () => {
    await runCli(['microvm', 'setup', '--undo'], { env });
    await rm(directory, { recursive: true, force: true });
  });

  async function setup(...args: string[]): Promise<Report> {
    const { code, stdout, stderr } = await runCli(['microvm', 'setup', '--json', ...args], { env });
    assert.equal(code, 0, stderr);
    return JSON.parse(stdout) as Report;
  }
  const changed = ({ steps }: Report) => steps.filter((step) => step.changed).map(({ step }) => step);
  const links = () => readdir('/sys/class/net');

  test('does each step once, says what it changed, and takes everything back', async () => {
    const sum = createHash('sha256')
      .update(await readFile(release))
      .digest('hex');
    const archive = ['--firecracker-archive', release, '--firecracker-sha256', sum];
    const first = await setup(...archive);
    assert.deepEqual(changed(first).slice(-2), ['firecracker', 'network']);
    const kernel = first.steps.find(({ step }) => step === 'kernel');
    assert.match(kernel?.detail ?? '', /Linux \d+\.\d+\.\d+.*\(linux-image-\S+ \S+, verified by apt\)/);
    assert.ok((await links()).includes(bridge));
    assert.deepEqual(changed(await setup(...archive)), []);

    const undone = await setup('--undo');
    assert.deepEqual(changed(undone), ['network', 'kernel', 'firecracker']);
    assert.ok(!(await links()).includes(bridge));
    assert.deepEqual(await readdir(join(directory, 'images')), []);
    assert.deepEqual(changed(await setup('--undo')), []);
  });

  test('refuses an archive that is not the pinned release, and settings that are wrong', async () => {
    const other = await runCli(['microvm', 'setup', '--firecracker-archive', release], { env });
    assert.equal(other.code, 1);
    assert.match(other.stderr, /is not the expected release/);
    const wrong = await runCli(['microvm', 'setup', '--undo'], { env: { ...env, BRIDGE_IP: '10.0.0.1' } });
    assert.equal(wrong.code, 2);
    assert.match(wrong.stderr, /BRIDGE_IP is "10\.0\.0\.1"/);
    assert.deepEqual(await readdir(join(directory, 'images')), []);
  });

  test('is what `microvm test` asks for where it was not run, without anything left running', async () => {
    const { code, stdout, stderr } = await runCli(['microvm', 'test', '--json'], { env });
    assert.deepEqual([code, stdout], [1, '']);
    assert.match(stderr, /no guest kernel at .*microvm setup/);
  });
});
