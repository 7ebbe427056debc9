import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ConfigError } from '@clarateach/contract/settings';
import { readConfig } from './config.ts';

function problemsOf(env: Record<string, string>): readonly string[] {
  try {
    readConfig(env, '/srv');
  } catch (error) {
    assert.ok(error instanceof ConfigError);
    return error.problems;
  }
  assert.fail('The settings were taken.');
}

describe('the settings', () => {
  it('refuse a bound of disks where workers have them', () => {
    const env = { SEAT_DISK_GIB: '2', WORKER_AGENTS: '[{"address":"127.0.0.1:9090"}]' };
    assert.match(problemsOf(env).join(), /SEAT_DISK_GIB is set beside WORKER_AGENTS.*for each agent/);
    assert.equal(readConfig({ SEAT_DISK_GIB: '2' }, '/srv').seatDiskMiB, 2048);
  });

  it('need none: a laptop gets SQLite, a secret of its own and loopback', () => {
    assert.deepEqual(readConfig({}, '/srv'), {
      connectionsPerAddress: 2000,
      connectionsPerSeat: 256,
      seatDiskMiB: undefined,
      host: '127.0.0.1',
      port: 8080,
      publicUrl: undefined,
      dataDirectory: '/srv',
      database: { kind: 'sqlite', file: '/srv/clarateach.db' },
      secret: { kind: 'file', path: '/srv/secret.key' },
      corsOrigins: [],
      runtime: { kind: 'auto' },
      microvm: {
        imagesDirectory: '/var/lib/clarateach/images',
        bridge: undefined,
        socketDirectory: '/tmp/clarateach',
        warmSeats: 0,
      },
      logLevel: 'info',
      trustProxy: false,
      workers: [],
      auditDays: 365,
      moveAfterMs: 60_000,
      accounts: { mail: undefined, printMail: true, signUp: { kind: 'closed' }, provider: undefined },
    });
  });

  it('are taken from the environment, and an empty value counts as none', () => {
    const config = readConfig(
      {
        PORT: '0',
        HOST: '0.0.0.0',
        PUBLIC_URL: 'https://Teach.example.org/',
        DATA_DIR: 'data',
        DATABASE_URL: 'postgresql://ann:se%40cret@db.example.org/teach?sslmode=require',
        WORKSPACE_TOKEN_SECRET: 'x'.repeat(32),
        CORS_ORIGINS: 'https://a.example.org, http://localhost:5173',
        RUNTIME: 'docker',
        LOG_LEVEL: 'WARN',
        TRUST_PROXY: '10.0.0.0/8, ::1',
      },
      '/srv',
    );
    assert.equal(config.publicUrl, 'https://teach.example.org');
    assert.equal(config.dataDirectory, '/srv/data');
    assert.equal(config.database.kind, 'postgresql');
    assert.deepEqual(config.secret, { kind: 'given', secrets: ['x'.repeat(32)] });
    assert.deepEqual(config.corsOrigins, ['https://a.example.org', 'http://localhost:5173']);
    assert.deepEqual(config.runtime, { kind: 'fixed', name: 'docker' });
    assert.equal(config.logLevel, 'warn');
    assert.deepEqual(config.trustProxy, ['10.0.0.0/8', '::1']);
    assert.equal(config.connectionsPerAddress, 0);
    assert.equal(readConfig({ PORT: ' ' }, '/srv').port, 8080);
  });

  it('read an SQLite file as a path, sqlite: or file: address', () => {
    for (const [value, file] of [
      ['./a.db', '/srv/a.db'],
      ['/var/a.db', '/var/a.db'],
      ['sqlite:a.db', '/srv/a.db'],
      ['sqlite://./a.db', '/srv/a.db'],
      ['file:///var/a.db', '/var/a.db'],
    ] as const) {
      assert.deepEqual(readConfig({ DATABASE_URL: value }, '/srv').database, { kind: 'sqlite', file }, value);
    }
  });

  it('that are wrong are all named, one line each', () => {
    const problems = problemsOf({
      PORT: '99999',
      HOST: 'not a host',
      PUBLIC_URL: 'teach.example.org',
      DATABASE_URL: 'mysql://root@localhost/x',
      WORKSPACE_TOKEN_SECRET: 'short',
      CORS_ORIGINS: 'https://a.example.org/path',
      RUNTIME: 'podman',
      LOG_LEVEL: 'loud',
      TRUST_PROXY: '10.0.0.0/99',
    });
    assert.deepEqual(
      problems.map((line) => line.split(' ')[0]),
      [
        'TRUST_PROXY',
        'PORT',
        'HOST',
        'PUBLIC_URL',
        'DATABASE_URL',
        'WORKSPACE_TOKEN_SECRET',
        'CORS_ORIGINS',
        'RUNTIME',
        'LOG_LEVEL',
      ],
    );
    for (const line of problems) assert.doesNotMatch(line, /\n/);
  });

  it('never repeat a secret', () => {
    const problems = problemsOf({
      WORKSPACE_TOKEN_SECRET: 'hunter2',
      DATABASE_URL: 'postgresql://ann:hunter2@/',
      PUBLIC_URL: 'https://ann:hunter2@teach.example.org',
    });
    assert.equal(problems.length, 3);
    for (const line of problems) assert.doesNotMatch(line, /hunter2/);
  });

  it('refuse a runtime, a bridge and a network that are none', () => {
    assert.match(problemsOf({ RUNTIME: 'xen' })[0] ?? '', /Choose auto, docker, local or firecracker/);
    assert.match(problemsOf({ BRIDGE_NAME: 'a name' })[0] ?? '', /^BRIDGE_NAME is "a name"/);
    for (const value of [
      '192.168.100.1',
      '192.168.100.1/30',
      'fd00::1/24',
      '192.168.100.300/24',
      '1.2.3.4/24/1',
    ]) {
      assert.match(problemsOf({ BRIDGE_IP: value })[0] ?? '', /^BRIDGE_IP is /, value);
    }
  });

  it('take one part of the bridge with the other by default', () => {
    assert.deepEqual(readConfig({ BRIDGE_IP: '10.77.0.1/20' }, '/srv').microvm.bridge, {
      name: 'clarateach0',
      address: '10.77.0.1/20',
    });
    assert.match(problemsOf({ WARM_SEATS: 'many' })[0] ?? '', /WARM_SEATS is "many"/);
    assert.equal(readConfig({ WARM_SEATS: '3' }, '/srv').microvm.warmSeats, 3);
    assert.equal(readConfig({ IMAGES_DIR: 'images' }, '/srv').microvm.imagesDirectory, '/srv/images');
  });

  it('of mail and of an identity provider are given whole or not at all, and never repeat a password', () => {
    const { accounts } = readConfig({
      PUBLIC_URL: 'https://teach.example.org',
      SMTP_URL: 'smtp://clara:p%40ss@mail.example.org:587',
      MAIL_FROM: 'ClaraTeach <noreply@example.org>',
      SIGN_UP: 'open',
      SIGN_UP_DOMAINS: 'Example.org, @school.edu',
      OIDC_ISSUER: 'https://accounts.google.com',
      OIDC_CLIENT_ID: 'id',
      OIDC_CLIENT_SECRET: 'secret',
    });
    assert.equal(accounts.mail?.from, 'ClaraTeach <noreply@example.org>');
    assert.deepEqual(accounts.signUp, { kind: 'open', domains: ['example.org', 'school.edu'] });
    assert.equal(accounts.provider?.name, 'accounts.google.com');
    assert.equal(accounts.printMail, false);

    const named = (env: Record<string, string>) => {
      try {
        readConfig({ PUBLIC_URL: 'https://teach.example.org', ...env });
      } catch (error) {
        const { problems } = error as ConfigError;
        assert.ok(!problems.join().includes('hunter2'), problems.join());
        return problems.map((problem) => problem.split(' ', 1)[0]);
      }
      return [];
    };
    assert.deepEqual(named({ SMTP_URL: 'mail:hunter2' }), ['SMTP_URL']);
    assert.deepEqual(named({ SMTP_URL: 'smtp://me:hunter2@mail.example.org' }), ['MAIL_FROM']);
    assert.deepEqual(named({ MAIL_FROM: 'somebody' }), ['MAIL_FROM']);
    assert.deepEqual(named({ OIDC_CLIENT_SECRET: 'hunter2' }), ['OIDC_ISSUER,']);
    assert.deepEqual(
      named({ OIDC_ISSUER: 'http://id.example.org', OIDC_CLIENT_ID: 'x', OIDC_CLIENT_SECRET: 'x' }),
      ['OIDC_ISSUER', 'OIDC_ISSUER,'],
    );
    assert.deepEqual(named({ SIGN_UP: 'perhaps' }), ['SIGN_UP']);
    assert.deepEqual(named({ SIGN_UP: 'open' }), ['SIGN_UP']);
    assert.deepEqual(named({ SIGN_UP_DOMAINS: 'example' }), ['SIGN_UP_DOMAINS']);
  });
});
