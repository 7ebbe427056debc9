import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { openSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { request } from 'node:http';

const SOCKET = '/var/run/docker.sock';
const START_DEADLINE_MS = 60_000;
const COMING_UP_MS = 15_000;
const STOP_DEADLINE_MS = 30_000;
const LOOK_AGAIN_MS = 200;

/** Asks the Docker engine of this machine; undefined when none answers. */
export function askEngine<T>(path: string): Promise<T | undefined> {
  return new Promise((resolve) => {
    const asked = request({ socketPath: SOCKET, path, timeout: 5_000 }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (text: string) => {
        body += text;
      });
      response.on('end', () => resolve(response.statusCode === 200 ? (parse(body) as T) : undefined));
    });
    asked.on('timeout', () => asked.destroy());
    asked.on('error', () => resolve(undefined));
    asked.end();
  });
}

const parse = (body: string): unknown => (/^[[{]/.test(body) ? JSON.parse(body) : body);

/** An engine of the test run's own, ended with it. */
export interface OwnedEngine {
  close(): Promise<void>;
}

/** Whether an engine answers; one whose process is there already is given time to come up. */
export async function engineAnswers(): Promise<boolean> {
  const deadline = Date.now() + COMING_UP_MS;
  while ((await askEngine('/_ping')) === undefined) {
    if (Date.now() > deadline || !(await isComingUp())) return false;
    await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
  }
  return true;
}

async function isComingUp(): Promise<boolean> {
  const pid = Number(await readFile('/var/run/docker.pid', 'utf8').catch(() => ''));
  const command = pid > 0 ? await readFile(`/proc/${pid}/comm`, 'utf8').catch(() => '') : '';
  return command.startsWith('dockerd');
}

/** Starts dockerd; throws with the place of its log when it does not come up. */
export async function startEngine(dockerd: string, logFile: string): Promise<OwnedEngine> {
  const log = openSync(logFile, 'a');
  const child = spawn(dockerd, ['-H', `unix://${SOCKET}`], { detached: true, stdio: ['ignore', log, log] });
  const ended = once(child, 'exit');
  const deadline = Date.now() + START_DEADLINE_MS;
  while ((await askEngine('/_ping')) === undefined) {
    if (child.exitCode !== null || Date.now() > deadline) {
      await stop(child, ended);
      throw new Error(`dockerd did not come up; its log is ${logFile}`);
    }
    await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
  }
  return { close: () => stop(child, ended) };
}

async function stop(child: ChildProcess, ended: Promise<unknown>): Promise<void> {
  if (child.exitCode !== null || child.pid === undefined) return;
  child.kill('SIGTERM');
  const kill = setTimeout(() => child.kill('SIGKILL'), STOP_DEADLINE_MS);
  await ended;
  clearTimeout(kill);
}
