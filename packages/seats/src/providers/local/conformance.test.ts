import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { access, constants } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { test } from 'node:test';
import { seatProviderConformance } from '../../conformance.ts';
import { localSubject, whyNoLocalSeats } from './local-subject.ts';
import { tryBubblewrap } from './probe.ts';

/** Set in the run of this file that an ordinary user makes. */
const ONLY_BUBBLEWRAP = 'LOCAL_CONFORMANCE_ONLY_BUBBLEWRAP';
const NOBODY = 65_534;

const trial = await tryBubblewrap();
const who = process.getuid?.() === 0 ? 'root' : 'an ordinary user';

seatProviderConformance(`local with bubblewrap, started by ${who},`, {
  make: () => localSubject('bubblewrap'),
  skip: whyNoLocalSeats() ?? (trial.works ? undefined : trial.reason),
});

if (process.env[ONLY_BUBBLEWRAP] === undefined) {
  seatProviderConformance('local without a sandbox', {
    make: () => localSubject('none'),
    skip: whyNoLocalSeats(),
  });
  if (process.getuid?.() === 0) registerOrdinaryUser();
}

function registerOrdinaryUser(): void {
  test('local with bubblewrap passes as well when an ordinary user starts it', {
    timeout: 120_000,
  }, async (context) => {
    const skip = whyNoLocalSeats() ?? (trial.works ? await whyNobodyCannotReadThis() : trial.reason);
    if (skip !== undefined) {
      console.log(`NOT RUN: local as an ordinary user: ${skip}`);
      assert.notEqual(process.env.CI, 'true', `NOT RUN: ${skip}`);
      context.skip(`NOT RUN: ${skip}`);
      return;
    }
    const child = spawn(
      'setpriv',
      [
        ...[`--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups', '--no-new-privs', '--'],
        ...[process.execPath, '--test', '--test-reporter=spec', import.meta.filename],
      ],
      {
        env: { PATH: process.env.PATH, HOME: tmpdir(), [ONLY_BUBBLEWRAP]: 'yes', CI: process.env.CI },
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    );
    let output = '';
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk) => (output += String(chunk)));
    const [code] = await once(child, 'exit');
    assert.equal(code, 0, output);
    assert.match(output, /pass 1\d/);
  });
}

async function whyNobodyCannotReadThis(): Promise<string | undefined> {
  const child = spawn('setpriv', [
    ...[`--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups', '--'],
    ...['test', '-r', import.meta.filename, '-a', '-x', process.execPath],
  ]);
  const [code] = await once(child, 'exit');
  await access(import.meta.filename, constants.R_OK);
  return code === 0 ? undefined : 'other users cannot read this checkout';
}
