import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '@clarateach/server/testing/free-port';

/** A peer's program in front of something that the product is in front of too. */
export interface PeerProxy {
  readonly name: string;
  readonly url: string;
  readonly pid: number;
  stop(): Promise<void>;
}

/** The seats' terminals: seat N at `<url>/seat/N/terminal`. */
export async function nginx(hosts: readonly string[]): Promise<PeerProxy> {
  const locations = hosts.map(
    (host, index) => `location = /seat/${index + 1}/terminal {
      proxy_pass http://${host}:3001/terminal; proxy_http_version 1.1;
      proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade; proxy_buffering off; }`,
  );
  return run('nginx', ({ port, directory }) => ({
    config: nginxConfig(directory, `server { listen 127.0.0.1:${port}; ${locations.join('\n')} }`),
    command: nginxCommand(directory),
  }));
}

/** The seats' terminals: seat N at `<url>/seat/N/terminal`. */
export async function haproxy(hosts: readonly string[]): Promise<PeerProxy> {
  const rules = hosts.map(
    (_, index) => `use_backend seat${index + 1} if { path /seat/${index + 1}/terminal }`,
  );
  const backends = hosts.map(
    (host, index) =>
      `backend seat${index + 1}\n  http-request set-path /terminal\n  server seat ${host}:3001`,
  );
  return run('haproxy', ({ port, directory }) => ({
    config: `${HAPROXY}frontend seats\n  bind 127.0.0.1:${port}\n  ${rules.join('\n  ')}\n${backends.join('\n')}\n`,
    command: ['haproxy', '-q', '-f', `${directory}/config`],
  }));
}

const HAPROXY = `global
  maxconn 4096
defaults
  mode http
  timeout connect 5s
  timeout client 1h
  timeout server 1h
  timeout tunnel 1h
`;

/** Everything to one Unix socket, WebSockets included. */
export async function haproxyToSocket(socket: string): Promise<PeerProxy> {
  return run('haproxy', ({ port, directory }) => ({
    config: `${HAPROXY}listen seats\n  bind 127.0.0.1:${port}\n  server seat unix@${socket}\n`,
    command: ['haproxy', '-q', '-f', `${directory}/config`],
  }));
}

/** Everything to one Unix socket, over connections that are kept. */
export async function nginxToSocket(socket: string): Promise<PeerProxy> {
  return run('nginx', ({ port, directory }) => ({
    config: nginxConfig(
      directory,
      `upstream seat { server unix:${socket}; keepalive 64; }
        server { listen 127.0.0.1:${port};
          location / { proxy_pass http://seat; proxy_http_version 1.1; proxy_set_header Connection ""; } }`,
    ),
    command: nginxCommand(directory),
  }));
}

export async function caddyToSocket(socket: string): Promise<PeerProxy> {
  return run('caddy', ({ port, directory }) => ({
    config: `{\n  admin off\n  auto_https off\n  storage file_system ${directory}\n}\nhttp://127.0.0.1:${port} {\n  reverse_proxy unix/${socket}\n}\n`,
    command: ['caddy', 'run', '--adapter', 'caddyfile', '--config', `${directory}/config`],
  }));
}

/** Not a proxy: what they all ask. It answers everything with the same body. */
export async function upstreamOnSocket(socket: string, body: string): Promise<PeerProxy> {
  return run('nginx', ({ port, directory }) => ({
    config: nginxConfig(
      directory,
      `keepalive_requests 1000000;
        server { listen 127.0.0.1:${port}; listen unix:${socket};
          location / { default_type text/plain; return 200 ${JSON.stringify(body)}; } }`,
    ),
    command: nginxCommand(directory),
  }));
}

function nginxConfig(directory: string, http: string): string {
  return `daemon off; master_process off; pid ${directory}/pid; error_log ${directory}/log;
    events { worker_connections 4096; }
    http { access_log off; client_body_temp_path ${directory}/b; proxy_temp_path ${directory}/p;
      fastcgi_temp_path ${directory}/f; uwsgi_temp_path ${directory}/u; scgi_temp_path ${directory}/s;
      ${http} }`;
}

function nginxCommand(directory: string): [string, ...string[]] {
  return ['nginx', '-p', directory, '-e', `${directory}/log`, '-c', `${directory}/config`];
}

async function run(
  name: string,
  plan: (place: { port: number; directory: string }) => { config: string; command: [string, ...string[]] },
): Promise<PeerProxy> {
  const directory = await mkdtemp(join(tmpdir(), `clarateach-${name}-`));
  const port = await freePort();
  const { config, command } = plan({ port, directory });
  await writeFile(join(directory, 'config'), config);
  const [program, ...args] = command;
  // Caddy keeps what it likes below these.
  const child = spawn(program, args, {
    stdio: ['ignore', 'ignore', name === 'caddy' ? 'ignore' : 'inherit'],
    env: { ...process.env, XDG_DATA_HOME: directory, XDG_CONFIG_HOME: directory, HOME: directory },
  });
  await listening(port, child);
  return {
    name,
    url: `http://127.0.0.1:${port}`,
    pid: child.pid as number,
    async stop() {
      child.kill('SIGTERM');
      if (child.exitCode === null) await once(child, 'exit');
      await rm(directory, { recursive: true, force: true });
    },
  };
}

async function listening(port: number, child: ChildProcess): Promise<void> {
  for (let tries = 0; tries < 100; tries++) {
    if (child.exitCode !== null) throw new Error(`The proxy ended with ${child.exitCode}.`);
    const socket = connect(port, '127.0.0.1');
    const connected = await once(socket, 'connect').then(
      () => true,
      () => false,
    );
    socket.destroy();
    if (connected) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error('The proxy does not listen.');
}
