import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { readAgentConfig } from '@clarateach/agent/config';

const UNITS = join(import.meta.dirname, '..', 'deploy', 'systemd');
const ANALYZE = '/usr/bin/systemd-analyze';
const skip = existsSync(ANALYZE) ? undefined : `NOT RUN: ${ANALYZE} is not installed`;

test('the units leave the choice of settings to the environment file, and seats running at their end', async () => {
  for (const name of ['clarateach-agent.service', 'clarateach-microvm-agent.service']) {
    const text = await readFile(join(UNITS, name), 'utf8');
    assert.match(text, /^ExecStart=\/opt\/clarateach\/clarateach agent$/m, 'an option beats every setting');
    assert.match(text, /^EnvironmentFile=\/etc\/clarateach-agent\.env$/m);
    assert.match(text, /^KillMode=process$/m);
  }
  const microvm = await readFile(join(UNITS, 'clarateach-microvm-agent.service'), 'utf8');
  const settings = [...microvm.matchAll(/^Environment=(.*)$/gm)].flatMap(([, line = '']) => line.split(' '));
  const env = Object.fromEntries(settings.map((each) => each.split('=')));
  const { runtime, microvm: ways } = readAgentConfig({ ...env, AGENT_TOKEN: 'a'.repeat(48) });
  assert.equal(runtime, 'firecracker');
  assert.equal(ways.socketDirectory, `/run/${/^RuntimeDirectory=(.*)$/m.exec(microvm)?.[1]}`);
  assert.doesNotMatch(microvm, /^(User|PrivateTmp|NoNewPrivileges)=/m, 'it is root’s');
});

const TMPFILES = '/usr/bin/systemd-tmpfiles';
const noTmpfiles = existsSync(TMPFILES) ? undefined : `NOT RUN: ${TMPFILES} is not installed`;

test('systemd leaves the sockets of VMs in /tmp alone, however old', {
  skip: noTmpfiles ?? false,
}, async () => {
  const directory = await mkdtemp(join(tmpdir(), 'clarateach-ageing-'));
  try {
    const age = join(directory, 'tmp');
    const sockets = join(age, 'clarateach', 'clarateach-ws-abcdefgh-seat-01');
    await mkdir(sockets, { recursive: true });
    await mkdir(join(age, 'of-others'));
    await writeFile(join(sockets, 'firecracker.sock'), '');
    const entries = (await readFile(join(UNITS, 'clarateach.tmpfiles.conf'), 'utf8')).replace(
      '/tmp/',
      `${age}/`,
    );
    // All of it is old enough.
    await writeFile(join(directory, 'ageing.conf'), `${entries}\nd ${age} - - - 0\n`);
    await promisify(execFile)(TMPFILES, ['--clean', join(directory, 'ageing.conf')]);
    assert.deepEqual(await readdir(age), ['clarateach']);
    assert.deepEqual(await readdir(sockets), ['firecracker.sock']);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
});

test('systemd finds nothing wrong with the units', skip === undefined ? {} : { skip }, async () => {
  const directory = await mkdtemp(join(tmpdir(), 'clarateach-units-'));
  try {
    const units = (await readdir(UNITS)).filter((name) => name.endsWith('.service'));
    assert.ok(units.length > 0);
    for (const name of units) {
      const text = await readFile(join(UNITS, name), 'utf8');
      assert.match(text, /^ExecStart=\/opt\/clarateach\/clarateach /m);
      // This machine has no installation, so a program that every machine has stands for it.
      await writeFile(join(directory, name), text.replace('=/opt/clarateach/clarateach ', '=/bin/true '));
    }
    const { stdout, stderr } = await promisify(execFile)(ANALYZE, [
      'verify',
      '--man=no',
      '--recursive-errors=no',
      ...units.map((name) => join(directory, name)),
    ]);
    assert.equal(`${stdout}${stderr}`, '');
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
});
