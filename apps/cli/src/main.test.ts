import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, it } from 'node:test';
import { runCli } from './testing/run-cli.ts';

describe('the command line', () => {
  it('tells its version, also as JSON', async () => {
    const human = await runCli(['version']);
    assert.equal(human.code, 0);
    assert.match(human.stdout, /^ClaraTeach \d+\.\d+\.\d+ /);
    const short = await runCli(['--version']);
    assert.equal(short.code, 0);
    assert.match(short.stdout, /^\d+\.\d+\.\d+\n$/);
    const json = await runCli(['version', '--json']);
    assert.match((JSON.parse(json.stdout) as { version: string }).version, /^\d+\.\d+\.\d+$/);
  });

  it('ends with 0 after help that was asked for', async () => {
    const { code, stdout } = await runCli(['--help']);
    assert.equal(code, 0);
    for (const command of ['up', 'workshop', 'token', 'doctor', 'test'])
      assert.match(stdout, new RegExp(`^  ${command}\\b`, 'm'));
  });

  for (const [what, args] of [
    ['an unknown command', ['nonsense']],
    ['an unknown option', ['version', '--nonsense']],
    ['a missing argument', ['workshop', 'show']],
    ['a missing option', ['workshop', 'create', 'x']],
    ['a number that is none', ['workshop', 'create', 'x', '--seats', 'many']],
    ['an id that is none', ['workshop', 'show', 'nonsense']],
    ['a runtime that is none', ['up', '--runtime', 'cloud']],
    ['a port that is none', ['up', '--port', '70000']],
    ['a demo without seats', ['up', '--demo', '0']],
    ['an address that is none', ['workshop', 'list', '--url', 'nonsense']],
  ] as const) {
    it(`ends with 2 and a line on stderr after ${what}`, async () => {
      const { code, stdout, stderr } = await runCli(args);
      assert.equal(code, 2, stderr);
      assert.equal(stdout, '');
      assert.notEqual(stderr.trim(), '');
    });
  }

  it('ends with 1 and says what to do when no server answers', async () => {
    const port = await unusedPort();
    const { code, stdout, stderr } = await runCli(['workshop', 'list', '--url', `http://127.0.0.1:${port}`]);
    assert.equal(code, 1);
    assert.equal(stdout, '');
    assert.match(
      stderr,
      /No ClaraTeach server answers at http:\/\/127\.0\.0\.1:\d+\. Start one with `clarateach up`/,
    );
  });

  it('tells what this machine can run, as a table and as JSON', async () => {
    const { stdout } = await runCli(['doctor', '--json', '--port', '0']);
    const report = JSON.parse(stdout) as {
      ok: boolean;
      runtimes: { name: string; available: boolean; note: string }[];
      checks: { name: string; ok: boolean; remedy: string }[];
    };
    assert.deepEqual(
      report.runtimes.map((runtime) => runtime.name),
      ['docker', 'local', 'firecracker'],
    );
    for (const check of report.checks) assert.equal(check.remedy === '', check.ok, check.name);
    const human = await runCli(['doctor', '--port', '0']);
    assert.match(human.stdout, /^RUNTIME +CAN RUN +NOTE$/m);
  });

  it('looks at the port and the data directory that the settings name, and names a wrong one', async () => {
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
    const { port } = taken.address() as AddressInfo;
    const checksWith = async (env: Record<string, string>, ...args: string[]) => {
      const { code, stdout } = await runCli(['doctor', '--json', ...args], { env });
      const { checks } = JSON.parse(stdout) as { checks: { name: string; ok: boolean; detail: string }[] };
      return { code, of: (name: string) => checks.find((check) => check.name === name) };
    };
    try {
      const { of } = await checksWith({ PORT: String(port), DATA_DIR: '/nowhere/of/mine' });
      assert.deepEqual([of(`port ${port}`)?.ok, of(`port ${port}`)?.detail], [false, 'in use']);
      assert.match(of('disk space')?.detail ?? '', / at \/nowhere\/of\/mine$/);
      const said = await checksWith(
        { PORT: String(port), DATA_DIR: '/nowhere' },
        '--port',
        '0',
        '--data',
        '/',
      );
      assert.equal(said.of('port 0')?.ok, true);
      assert.match(said.of('disk space')?.detail ?? '', / at \/$/);
      const wrong = await checksWith({ RUNTIME: 'cloud' });
      assert.equal(wrong.code, 1);
      assert.equal(wrong.of('settings')?.ok, false);
    } finally {
      await new Promise((resolve) => taken.close(resolve));
    }
  });
});

async function unusedPort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
