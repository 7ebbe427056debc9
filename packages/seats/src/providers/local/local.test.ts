import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdir, mkdtemp, readdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type SeatId, seatName } from '@clarateach/contract/ids';
import type { DirectEndpoint } from '@clarateach/contract/seat-server';
import { inTerminal } from '../../seat-client.ts';
import { localProvider } from './local.ts';
import { type LocalSubject, localSpec, localSubject, whyNoLocalSeats } from './local-subject.ts';
import { tryBubblewrap } from './probe.ts';
import { bootId, isAlive, parseStat, processStat, until } from './processes.ts';
import { SeatFiles } from './seat-files.ts';
import { findProcesses } from './seat-process.ts';

const trial = await tryBubblewrap();
const skip = whyNoLocalSeats() ?? (trial.works ? undefined : trial.reason);
if (skip !== undefined) console.log(`NOT RUN: local seats: ${skip}`);
const isRoot = process.getuid?.() === 0;
const signal = new AbortController().signal;
const TIMEOUT_MS = 30_000;

describe('a local seat', { concurrency: false, timeout: 5 * TIMEOUT_MS, skip: skip ?? false }, () => {
  let subject: LocalSubject;
  let root: string;
  before(async () => {
    subject = await localSubject('bubblewrap');
    root = subject.options.root;
  });
  after(() => subject?.cleanup());

  const id = (n: number): SeatId => localSpec(n).id;
  const files = (n: number) => new SeatFiles(root, id(n));

  async function run(n: number, of: LocalSubject = subject): Promise<DirectEndpoint> {
    await of.provider.ensure(localSpec(n), signal);
    return answering(n, of);
  }

  async function answering(n: number, of: LocalSubject = subject): Promise<DirectEndpoint> {
    let endpoint: DirectEndpoint | undefined;
    const up = await until(
      async () => {
        const seen = await of.provider.observe(id(n), signal);
        assert.ok(seen.state === 'starting' || seen.state === 'running', JSON.stringify(seen));
        if (seen.state === 'running' && seen.endpoint.kind !== 'agent') endpoint = seen.endpoint;
        return seen.state === 'running';
      },
      { withinMs: TIMEOUT_MS },
    );
    assert.ok(up && endpoint);
    return endpoint;
  }

  const shell = (endpoint: DirectEndpoint, command: string) => inTerminal(endpoint, command, TIMEOUT_MS);

  async function processesOf(n: number) {
    const record = await files(n).record();
    assert.ok(record);
    return { record, ...(await findProcesses(files(n), record, await bootId())) };
  }

  test('shows the learner a machine of their own and nothing of the host', async () => {
    const endpoint = await run(1);
    assert.equal(await shell(endpoint, 'id'), 'uid=1000(learner) gid=1000(learner) groups=1000(learner)');
    assert.equal(await shell(endpoint, 'hostname'), 'seat-01');
    assert.equal(await shell(endpoint, 'echo $HOME; pwd'), '/workspace/.home\r\n/workspace');
    assert.equal(await shell(endpoint, 'cd ~learner && pwd -P'), '/workspace/.home');
    for (const hidden of [root, '/root', '/etc/shadow', '/sys', '/var/lib', '/run/dbus', import.meta.dirname])
      assert.equal(await shell(endpoint, `ls -d ${hidden} 2>/dev/null`), '', hidden);
    for (const place of ['/', '/usr', '/etc', '/opt/clarateach', '/opt/clarateach/tools'])
      assert.match(await shell(endpoint, `touch ${place}/x 2>&1 | grep -o 'Read-only'`), /Read-only/, place);
    assert.equal(
      await shell(endpoint, 'for f in /tmp /workspace /var/tmp ~; do touch $f/x && echo ok; done'),
      'ok\r\nok\r\nok\r\nok',
    );
  });

  test('has no privilege, no way to one, and no sight of other processes', async () => {
    const endpoint = await run(1);
    assert.equal(await shell(endpoint, "grep -h ^Cap /proc/self/status | grep -vc '0000000000000000$'"), '0');
    assert.equal(await shell(endpoint, 'grep -c "^NoNewPrivs:.*1" /proc/self/status'), '1');
    const others = await shell(endpoint, "cat /proc/[0-9]*/comm | sort -u | tr '\\n' ' '");
    assert.match(others, /^((bash|bwrap|cat|entrypoint\.sh|node\S*|sort|tr|tmux: (client|server)) )+$/);
    assert.ok((await shell(endpoint, 'ls -d /proc/[0-9]* | wc -l').then(Number)) < 20);
    assert.equal(await shell(endpoint, 'unshare --user true 2>/dev/null && echo made'), '');
  });

  test('has the tools of a workshop, and its env without the server’s', async () => {
    process.env.LOCAL_TEST_HOST_SECRET = 'of the server';
    const endpoint = await run(2);
    delete process.env.LOCAL_TEST_HOST_SECRET;
    assert.equal(await shell(endpoint, 'echo $SEAT $WORKSPACE_DIR'), '2 /workspace');
    assert.equal(await shell(endpoint, 'env | grep -c LOCAL_TEST'), '0');
    for (const tool of ['bash', 'tmux', 'git', 'node', 'npm', 'python3', 'claude'])
      assert.match(await shell(endpoint, `command -v ${tool}`), /^\//, tool);
    assert.match(await shell(endpoint, 'node --version'), /^v2\d\./);
  });

  test('is limited in processes, open files and, where cgroups can be made, memory', async () => {
    const endpoint = await run(1);
    assert.equal(await shell(endpoint, 'ulimit -n'), '4096');
    assert.equal(await shell(endpoint, 'ulimit -u'), '200');
    const { record } = await processesOf(1);
    const memory = record.cgroups.find((directory) => !/\/(pids|cpu)\//.test(directory));
    if (memory === undefined) return;
    const limits = await Promise.all(
      ['memory.limit_in_bytes', 'memory.max'].map((file) =>
        readFile(join(memory, file), 'utf8').catch(() => ''),
      ),
    );
    assert.equal(limits.join('').trim(), `${1024 ** 3}`);
    const inside = (await readFile(join(memory, 'cgroup.procs'), 'utf8')).trim().split('\n');
    assert.ok(inside.length >= 4, `processes in the cgroup: ${inside.join(' ')}`);
  });

  test('runs under an unprivileged user of its own when root starts it', { skip: !isRoot }, async () => {
    await Promise.all([run(1), run(2)]);
    const uids = await Promise.all(
      [1, 2].map(async (n) => {
        const { init } = await processesOf(n);
        const status = await readFile(`/proc/${init?.pid}/status`, 'utf8');
        return /^Uid:\t(\d+)\t\1\t\1\t\1$/m.exec(status)?.[1];
      }),
    );
    for (const uid of uids) assert.ok(Number(uid) >= 64_000, `uid ${uid}`);
    assert.notEqual(uids[0], uids[1]);
  });

  test('keeps its shell when the workspace server dies, which is started again', async () => {
    const endpoint = await run(1);
    const before = await shell(endpoint, 'echo $$');
    const server = () => shell(endpoint, "pgrep -f '/workspace/server[.]cjs$'");
    const first = await server();
    await shell(endpoint, `kill -KILL ${first}; sleep 5`).catch(() => undefined);
    await answering(1);
    assert.notEqual(await server(), first);
    assert.equal(await shell(await answering(1), 'echo $$'), before);
  });

  test('lives on when the server is killed, and the next server finds it', async () => {
    const server = await serverWith(subject, 3);
    const endpoint = await answering(3);
    const before = await shell(endpoint, 'echo $$');
    server.kill('SIGKILL');
    await once(server, 'exit');
    const next = await subject.again();
    await next.ensure(localSpec(3), signal);
    assert.deepEqual(await next.observe(id(3), signal), { state: 'running', endpoint });
    assert.equal(await shell(endpoint, 'echo $$'), before);
    await next.destroy(id(3), signal);
  });

  test('is found and removed whole, at whatever moment of its start the server was killed', async () => {
    for (const afterMs of [0, 4, 8, 15, 30, 60]) {
      const server = await serverWith(subject, 4, 'asked');
      await new Promise((resolve) => setTimeout(resolve, afterMs));
      server.kill('SIGKILL');
      await once(server, 'exit');
      const next = await subject.again();
      await next.observe(id(4), signal);
      await next.destroy(id(4), signal);
      // A process that was forked and not noted yet ends by itself.
      let left: string[] = [];
      await until(
        async () => {
          left = (await subject.leftovers()).filter((each) => each.includes('seat-04'));
          return left.length === 0;
        },
        { withinMs: 2_000 },
      );
      assert.deepEqual(left, [], `killed after ${afterMs} ms`);
    }
  });

  test('never takes a later process with the same number for its own', async () => {
    await run(5);
    await subject.provider.stop(id(5), signal);
    const bystander = spawn('sleep', ['60'], { stdio: 'ignore' });
    try {
      const stat = await processStat(bystander.pid ?? 0);
      assert.ok(stat);
      const record = (await localRecord(subject)) ?? assert.fail();
      await files(5).writeRecord({ ...record, cgroups: [], sockets: join(files(5).directory, 'sockets') });
      await writeFile(files(5).note, `${stat.pid} (sh) S 1${' 0'.repeat(17)} ${stat.startTicks - 1} 0 0\n`);
      await writeFile(files(5).status, `{ "child-pid": ${stat.pid}, "pid-namespace": 1 }`);
      assert.equal((await subject.provider.observe(id(5), signal)).state, 'exited');
      await subject.provider.destroy(id(5), signal);
      assert.ok(await isAlive(stat));
    } finally {
      bystander.kill('SIGKILL');
    }
  });

  test('has exited when the machine was restarted, and comes back', async () => {
    await run(5);
    await subject.provider.stop(id(5), signal);
    const record = (await localRecord(subject)) ?? assert.fail();
    await files(5).writeRecord({
      ...record,
      bootId: 'another',
      cgroups: [],
      sockets: join(files(5).directory, 'sockets'),
    });
    const seen = await subject.provider.observe(id(5), signal);
    assert.deepEqual(seen, { state: 'exited', code: -1, reason: 'the machine was restarted' });
    await run(5);
    await subject.provider.destroy(id(5), signal);
  });

  test('is removed whole although its learner made directories that nobody may enter', async () => {
    const endpoint = await run(6);
    const nest =
      'cd /workspace; for i in $(seq 60); do d=$(printf %0100d 0); mkdir $d; cd $d; done; cd /workspace';
    assert.equal(
      await shell(endpoint, `${nest}; mkdir -p a/b; chmod 000 a/b a; ln -s / root; echo done`),
      'done',
    );
    await subject.provider.destroy(id(6), signal);
    assert.ok(!(await readdir(root)).includes(seatName(id(6))));
  });

  test('is not believed when its learner puts a link in the place of its socket', async () => {
    const endpoint = await run(6);
    assert.ok(endpoint.kind === 'unix');
    const socket = join(endpoint.directory, '3001.sock');
    await rename(socket, `${socket}.moved`);
    await symlink(`${socket}.moved`, socket);
    assert.equal((await subject.provider.observe(id(6), signal)).state, 'starting');
    await subject.provider.destroy(id(6), signal);
  });

  test('answers also when its directory is too deep for a socket', async () => {
    const parent = await mkdtemp(join(tmpdir(), 'deep-'));
    const deepPath = join(parent, 'x'.repeat(60));
    await mkdir(deepPath);
    const deep = await localSubject('bubblewrap', deepPath);
    try {
      const endpoint = await run(1, deep);
      assert.ok(endpoint.kind === 'unix' && endpoint.directory.startsWith(join(tmpdir(), 'ct-')));
      await deep.provider.destroy(id(1), signal);
      await assert.rejects(readdir(endpoint.directory), { code: 'ENOENT' });
    } finally {
      await deep.cleanup();
      await rm(parent, { recursive: true });
    }
  });

  test('keeps the program that it was started with when another build comes', async () => {
    const endpoint = await run(1);
    const bundle = await mkdtemp(join(tmpdir(), 'bundle-'));
    try {
      await cp(subject.options.workspaceBundle, bundle, { recursive: true });
      await writeFile(join(bundle, 'server.cjs'), '// another build\n');
      const next = await localProvider({ ...subject.options, workspaceBundle: bundle });
      assert.equal((await readdir(root)).filter((name) => name.startsWith('.program-')).length, 2);
      assert.equal(
        await shell(endpoint, 'test -s /opt/clarateach/workspace/server.cjs && echo there'),
        'there',
      );
      for (const seat of await next.list(signal)) await next.stop(seat, signal);
      await localProvider(subject.options);
      assert.equal((await readdir(root)).filter((name) => name.startsWith('.program-')).length, 1);
    } finally {
      await rm(bundle, { recursive: true });
    }
  });

  test('is rejected with a reason when it cannot be made', async () => {
    const bad = { ...localSpec(7), env: { 'A=B': 'x' } };
    await assert.rejects(subject.provider.ensure(bad, signal), { kind: 'rejected', message: /"A=B"/ });
    await assert.rejects(localProvider({ ...subject.options, workspaceBundle: join(root, 'nowhere') }), {
      kind: 'rejected',
      message: /nowhere\/server\.cjs is missing/,
    });
    assert.ok(!(await subject.provider.list(signal)).some((seat) => seat.seat === 7));
  });
});

test('a process is read whatever its name is', () => {
  const rest = `S 7${' 0'.repeat(17)} 4242 0`;
  for (const name of ['sh', 'tmux: server', 'a) S 1 (b', ''])
    assert.deepEqual(parseStat(`31 (${name}) ${rest}`), { pid: 31, startTicks: 4242, parent: 7, state: 'S' });
  assert.equal(parseStat(''), undefined);
  assert.equal(parseStat('31 (sh'), undefined);
});

/** The record of a seat that runs, to make others from. */
async function localRecord(subject: LocalSubject) {
  await subject.provider.ensure(localSpec(1), signal);
  return new SeatFiles(subject.options.root, localSpec(1).id).record();
}

/** A server in a process of its own that asks for a seat; resolves when it has, or is about to. */
async function serverWith(
  subject: LocalSubject,
  n: number,
  when: 'ensured' | 'asked' = 'ensured',
): Promise<ChildProcess> {
  const code = `
    import { localProvider } from ${JSON.stringify(join(import.meta.dirname, 'local.ts'))};
    const provider = await localProvider(${JSON.stringify(subject.options)});
    const asked = provider.ensure(${JSON.stringify(localSpec(n))}, new AbortController().signal);
    console.log('asked');
    await asked;
    console.log('ensured');
    setInterval(() => {}, 1000);`;
  const server = spawn(process.execPath, ['--input-type=module', '-e', code], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  for await (const chunk of server.stdout) {
    output += String(chunk);
    if (output.includes(when)) break;
  }
  return server;
}
