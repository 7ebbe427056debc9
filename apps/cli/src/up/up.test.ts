import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { runCli } from '../testing/run-cli.ts';
import { RunningUp } from '../testing/running-up.ts';

describe('clarateach up', () => {
  let data: string;
  const running: RunningUp[] = [];

  beforeEach(async () => {
    data = await mkdtemp(join(tmpdir(), 'up-'));
  });
  afterEach(async () => {
    await Promise.all(running.splice(0).map((each) => each.end('SIGTERM')));
    await rm(data, { recursive: true, force: true });
  });

  function up(...args: string[]): RunningUp {
    return upWith({}, '--runtime', 'local', ...args);
  }

  function upWith(settings: Readonly<Record<string, string>>, ...args: string[]): RunningUp {
    const started = new RunningUp(['--port', '0', '--data', data, ...args], settings);
    running.push(started);
    return started;
  }

  it('comes up with a demo, stops all of it at Ctrl-C, and brings it back', {
    timeout: 300_000,
  }, async () => {
    const first = up('--demo', '2');
    const url = await first.line('ClaraTeach is ready at ');
    assert.match(first.stderr, /Seats run in the local runtime \(asked for/);
    const code = await first.line('Join code: ');
    assert.ok((await first.line('Sign in: ')).startsWith(url), 'the link leads to the server');
    assert.equal(first.lines.at(-1), `ClaraTeach is ready at ${url}`, 'the ready line is the last one');

    const joined = await joinWorkshop(url, { code, name: 'Ada' });
    assert.equal(joined.status, 200, JSON.stringify(joined.body));
    assert.ok((await processesIn(data)).length > 0, 'seats run');
    const { stdout } = await runCli(['token', 'create', 'test', '--data', data]);
    const listed = await runCli(['workshop', 'list', '--json', '--url', url, '--token', stdout.trim()]);
    assert.equal((JSON.parse(listed.stdout) as { code: string }[])[0]?.code, code);

    assert.equal(await first.end('SIGINT'), 0);
    assert.deepEqual(await processesIn(data), [], 'nothing runs any more');

    const second = up('--demo', '2');
    const again = await second.line('ClaraTeach is ready at ');
    assert.equal(await second.line('Join code: '), code);
    const back = await joinWorkshop(again, { code, name: 'Ada', odehash: joined.body.odehash });
    assert.equal(back.body.seat, joined.body.seat, 'the learner has the same seat');
    assert.equal(await second.end('SIGTERM'), 0);
    assert.deepEqual(await processesIn(data), []);
  });

  it('takes the runtime of the environment where no option names one', { timeout: 300_000 }, async () => {
    const first = upWith({ RUNTIME: 'local' });
    await first.line('ClaraTeach is ready at ');
    assert.match(first.stderr, /Seats run in the local runtime \(asked for/);
    assert.equal(await first.end('SIGTERM'), 0);
    const second = upWith({ RUNTIME: 'docker' }, '--runtime', 'local');
    await second.line('ClaraTeach is ready at ');
    assert.match(second.stderr, /Seats run in the local runtime \(asked for/);
    assert.equal(await second.end('SIGTERM'), 0);
    const wrong = upWith({ RUNTIME: 'cloud' });
    assert.equal(await wrong.exitCode(), 2);
    assert.match(wrong.stderr, /RUNTIME is "cloud"/);
  });

  it('explains a second start on the same data directory', { timeout: 300_000 }, async () => {
    const first = up();
    await first.line('ClaraTeach is ready at ');
    const second = up();
    assert.equal(await second.exitCode(), 1);
    assert.match(second.stderr, /Another ClaraTeach server \(process \d+\) uses the data directory/);
    assert.equal(await first.end('SIGTERM'), 0);
  });

  it('says that a port is taken before it builds anything', { timeout: 300_000 }, async () => {
    const first = up();
    const url = await first.line('ClaraTeach is ready at ');
    const { code, stderr } = await runCli(['up', '--port', new URL(url).port, '--data', join(data, 'other')]);
    assert.equal(code, 1);
    assert.match(stderr, /Port \d+ of \S+ is in use\. Stop what uses it, or choose another with --port\./);
  });
});

async function joinWorkshop(url: string, body: { code: string; name: string; odehash?: string | undefined }) {
  const response = await fetch(`${url}/api/join`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  return { status: response.status, body: (await response.json()) as { seat?: number; odehash?: string } };
}

/** Processes that are told of a directory: a seat's programs are, by their arguments or what they mount. */
async function processesIn(directory: string): Promise<readonly string[]> {
  const found: string[] = [];
  for (const pid of await readdir('/proc')) {
    if (!/^\d+$/.test(pid) || Number(pid) === process.pid) continue;
    const [command, mounts] = await Promise.all([
      readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => ''),
      readFile(`/proc/${pid}/mountinfo`, 'utf8').catch(() => ''),
    ]);
    if (command.includes(directory) || (command !== '' && mounts.includes(directory))) {
      found.push(command.replaceAll('\0', ' ').trim());
    }
  }
  return found.filter((command) => !command.includes(' up '));
}
