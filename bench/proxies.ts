import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '@clarateach/server/testing/free-port';

/** A peer's proxy in front of the same seats: seat N at `<url>/seat/N/terminal`. */
export interface SeatProxy {
  readonly name: string;
  readonly url: string;
  stop(): Promise<void>;
}

export async function nginx(hosts: readonly string[]): Promise<SeatProxy> {
  const locations = hosts.map(
    (host, index) => `location = /seat/${index + 1}/terminal {
      proxy_pass http://${host}:3001/terminal; proxy_http_version 1.1;
      proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade; proxy_buffering off; }`,
  );
  return run('nginx', ({ port, directory }) => ({
    config: `daemon off; master_process off; pid ${directory}/pid; error_log ${directory}/log;
      events { worker_connections 4096; }
      http { access_log off; client_body_temp_path ${directory}/b; proxy_temp_path ${directory}/p;
        fastcgi_temp_path ${directory}/f; uwsgi_temp_path ${directory}/u; scgi_temp_path ${directory}/s;
        server { listen 127.0.0.1:${port}; ${locations.join('\n')} } }`,
    command: ['nginx', '-p', directory, '-e', `${directory}/log`, '-c', `${directory}/config`],
  }));
}

export async function haproxy(hosts: readonly string[]): Promise<SeatProxy> {
  const rules = hosts.map(
    (_, index) => `use_backend seat${index + 1} if { path /seat/${index + 1}/terminal }`,
  );
  const backends = hosts.map(
    (host, index) =>
      `backend seat${index + 1}\n  http-request set-path /terminal\n  server seat ${host}:3001`,
  );
  return run('haproxy', ({ port, directory }) => ({
    config: `global\n  maxconn 4096\ndefaults\n  mode http\n  timeout connect 5s\n  timeout client 1h\n  timeout server 1h\n  timeout tunnel 1h\nfrontend seats\n  bind 127.0.0.1:${port}\n  ${rules.join('\n  ')}\n${backends.join('\n')}\n`,
    command: ['haproxy', '-q', '-f', `${directory}/config`],
  }));
}

async function run(
  name: string,
  plan: (place: { port: number; directory: string }) => { config: string; command: [string, ...string[]] },
): Promise<SeatProxy> {
  const directory = await mkdtemp(join(tmpdir(), `clarateach-${name}-`));
  const port = await freePort();
  const { config, command } = plan({ port, directory });
  await writeFile(join(directory, 'config'), config);
  const [program, ...args] = command;
  const child = spawn(program, args, { stdio: 'inherit' });
  await listening(port, child);
  return {
    name,
    url: `http://127.0.0.1:${port}`,
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
