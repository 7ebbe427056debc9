import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { openTerminal, seatAddress } from '@clarateach/bench/terminal';
import type { ErrorBody } from '@clarateach/contract/errors';
import type { SeatSession } from '@clarateach/contract/join';
import type { WorkshopDetails } from '@clarateach/contract/workshop';
import { ask, rejoin } from './platform/learner.ts';
import { mountSmallDisk, noMounts } from './platform/small-disk.ts';
import { eventually, firstInstructor, newInstallation, runToEnd } from './platform/up.ts';

const WRONG_SETTINGS: readonly (readonly [name: string, value: string])[] = [
  ['PORT', 'eighty'],
  ['HOST', 'not a host'],
  ['PUBLIC_URL', 'teach.example.org'],
  ['DATABASE_URL', 'mysql://teach:pass-word@db/teach'],
  ['WORKSPACE_TOKEN_SECRET', 'too-short'],
  ['CORS_ORIGINS', 'https://one.example, two'],
  ['RUNTIME', 'podman'],
  ['LOG_LEVEL', 'loud'],
  ['TRUST_PROXY', 'somebody'],
];
/** Milliseconds after which a start is interrupted: reading settings, opening the store, bringing up seats. */
const INTERRUPTIONS = [300, 700, 1_200, 2_000, 3_000];

describe('a start that cannot be', () => {
  for (const [name, value] of WRONG_SETTINGS) {
    test(`a wrong ${name} stops it with one line that names it`, async () => {
      const data = join(tmpdir(), `clarateach-never-${process.pid}`);
      const { code, stdout, stderr } = await runToEnd(['server'], { DATA_DIR: data, [name]: value });
      assert.equal(code, 2);
      assert.equal(stdout, '');
      assert.deepEqual(stderr.split('\n').length, 1, stderr);
      assert.match(stderr, new RegExp(`\\b${name} `));
      assert.doesNotMatch(stderr, /pass-word|too-short/, 'secrets are not repeated');
      assert.equal(existsSync(data), false, 'nothing is made');
    });
  }

  test('several wrong settings are told together', async () => {
    const { stderr } = await runToEnd(['up'], { PORT: '-1', LOG_LEVEL: 'loud' });
    assert.match(stderr, /PORT is "-1"[^\n]*\nLOG_LEVEL is "loud"/);
  });

  test('a busy port is named, before anything is built or made', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as { port: number };
    const data = join(tmpdir(), `clarateach-never-${process.pid}`);
    try {
      for (const [args, env] of [
        [['up', '--port', String(port), '--data', data], {}],
        [['server'], { PORT: String(port), DATA_DIR: data, RUNTIME: 'local' }],
      ] as const) {
        const { code, stderr } = await runToEnd(args, env);
        assert.equal(code, 1);
        assert.match(stderr, new RegExp(`Port ${port} .*in use.* another .*--port`));
        assert.doesNotMatch(stderr, /Building|\n\s+at /);
        assert.equal(existsSync(data), false, 'nothing is made');
      }
    } finally {
      other.close();
      await once(other, 'close');
    }
  });

  test('a second server on one data directory is told of the first', async () => {
    await using installation = await newInstallation('local');
    const first = await installation.up();
    const holder = new RegExp(`Another ClaraTeach server \\(process ${first.pid}\\) uses the data directory`);
    for (const [args, env] of [
      [['up', '--runtime', 'local', '--data', installation.data, '--port', '0'], {}],
      [['up', '--runtime', 'local', '--data', installation.data, '--port', String(installation.port)], {}],
      [['server'], { RUNTIME: 'local', DATA_DIR: installation.data, PORT: '0' }],
    ] as const) {
      const { code, stderr } = await runToEnd(args, env);
      assert.equal(code, 1);
      assert.match(stderr, holder);
    }
    assert.equal((await fetch(`${installation.url}/api/health`)).status, 200, 'the first one goes on');
    assert.equal(await first.stop(), 0);
    assert.deepEqual(await installation.leftBehind(), []);
  });

  test('a damaged database is left as it is, and named', async () => {
    await using installation = await newInstallation('local');
    const file = join(installation.data, 'clarateach.db');
    const damaged = Buffer.from('This is no database. '.repeat(500));
    await writeFile(file, damaged);
    await assert.rejects(installation.up(), ({ message }: Error) => {
      assert.match(message, /The database .*clarateach\.db cannot be opened: .*backup/);
      assert.doesNotMatch(message, /\n\s+at /);
      return true;
    });
    assert.deepEqual(await readFile(file), damaged);
    await rm(file);
    const running = await installation.up();
    assert.equal(await running.stop(), 0);
    assert.deepEqual(await installation.leftBehind(), []);
  });

  test('Ctrl-C at any moment of it leaves nothing running, and the next start works', async () => {
    await using installation = await newInstallation('local');
    for (const moment of INTERRUPTIONS) {
      const starting = installation.launch({ args: ['--demo', '2'] });
      await new Promise((resolve) => setTimeout(resolve, moment));
      starting.signal('SIGINT');
      // A start that was just ready ends as any `up` does; before its first line the signal itself ends it.
      assert.ok([0, 130, null].includes(await starting.ended), starting.errors.join('\n'));
      assert.doesNotMatch(starting.errors.join('\n'), /\n\s+at /);
      assert.deepEqual(await installation.leftBehind(), [], `interrupted after ${moment} ms`);
    }
    const running = await installation.up({ args: ['--demo', '2'] });
    assert.ok(running.lines.some((line) => line.startsWith('Join code: ')));
    assert.equal(await running.stop(), 0);
    assert.deepEqual(await installation.leftBehind(), []);
  });
});

describe('a full disk', noMounts === undefined ? {} : { skip: noMounts }, () => {
  test('stops a start with a line that says so', async () => {
    await using disk = await mountSmallDisk(1);
    await disk.fill();
    const { code, stderr } = await runToEnd([
      ...['up', '--runtime', 'local', '--port', '0'],
      ...['--data', disk.directory],
    ]);
    assert.equal(code, 1);
    assert.match(stderr, /The server could not start\. .*space/);
    assert.doesNotMatch(stderr, /\n\s+at /);
  });

  test('refuses joins and uploads, loses nothing, and all goes on when there is space', async () => {
    await using disk = await mountSmallDisk(48);
    await using installation = await newInstallation('local', { data: disk.directory });
    const running = await installation.up();
    const instructor = await firstInstructor(installation, running);
    const { id, code } = await instructor.workshop(3);
    const ada = await instructor.join(code, 'Ada');
    const before = 'old '.repeat(1_000);
    assert.equal((await upload(ada, before)).status, 201);
    const terminal = await openTerminal(seatAddress(ada), { cols: 200, rows: 30 });

    await disk.fill();
    // What fits into pages that the database has already may still be saved; then nothing is.
    const claimed: SeatSession[] = [];
    const refused = await eventualRefusal(installation.url, code, claimed);
    assert.equal(refused.status, 507);
    assert.equal(refused.body.error.code, 'no_space');
    const full = await upload(ada, 'new '.repeat(500_000));
    assert.equal(full.status, 507);
    assert.equal(((await full.json()) as ErrorBody).error.code, 'no_space');
    assert.equal(await download(ada), before, 'the old file is whole');
    assert.equal(await ask(terminal, 'echo $((6*7))'), '42', 'the terminal works on');

    await disk.free();
    const grace = await eventualJoin(installation.url, code);
    assert.equal(new Set([ada, ...claimed, grace].map(({ seat }) => seat)).size, 2 + claimed.length);
    const back = await rejoin(instructor, code, ada);
    assert.deepEqual([back.seat, back.returning], [ada.seat, true]);
    assert.equal((await upload(ada, 'newer')).status, 200);
    assert.equal(await download(ada), 'newer');
    assert.equal(await ask(terminal, 'wc -c < upload.txt'), '5');
    await terminal.close();
    const { phase } = await instructor.api<WorkshopDetails>('GET', `/api/workshops/${id}`);
    assert.equal(phase, 'ready');

    await instructor.remove(id);
    assert.equal(await running.stop(), 0);
    assert.deepEqual(await installation.leftBehind(), []);
  });
});

const joinAsGrace = (url: string, code: string) =>
  fetch(`${url}/api/join`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ code, name: 'Grace' }),
  });

async function eventualRefusal(url: string, code: string, claimed: SeatSession[]) {
  for (;;) {
    const answer = await joinAsGrace(url, code);
    if (answer.status !== 200) return { status: answer.status, body: (await answer.json()) as ErrorBody };
    claimed.push((await answer.json()) as SeatSession);
    assert.ok(claimed.length < 2, 'a seat is left for the time after');
  }
}

async function eventualJoin(url: string, code: string): Promise<SeatSession> {
  let session: SeatSession | undefined;
  await eventually('a learner is let in again', async () => {
    const answer = await joinAsGrace(url, code);
    if (answer.ok) session = (await answer.json()) as SeatSession;
    return answer.ok;
  });
  return session as SeatSession;
}

const uploaded = ({ endpoint, seat }: SeatSession) => `${endpoint}/vm/${seat}/files/content?path=upload.txt`;

const upload = (session: SeatSession, body: string) =>
  fetch(uploaded(session), { method: 'PUT', headers: { authorization: `Bearer ${session.token}` }, body });

const download = async (session: SeatSession) =>
  (await fetch(uploaded(session), { headers: { authorization: `Bearer ${session.token}` } })).text();
