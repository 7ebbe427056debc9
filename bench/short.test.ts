import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { probeDocker } from '@clarateach/seats/providers/docker/probe';
import { whyNoMicrovms } from '@clarateach/seats/providers/microvm/testing';
import { noBrowser } from './chromium.ts';

const docker = await probeDocker();
const noDocker = docker.ok ? undefined : `NOT RUN: ${docker.note}`;

/** Why benchmarks beside these programs cannot run; undefined when they can. */
function without(...programs: readonly string[]): string | undefined {
  const missing = programs.filter((program) => !existsSync(program));
  return missing.length > 0 ? `NOT RUN: ${missing.join(' and ')} not installed` : undefined;
}
const NGINX = '/usr/sbin/nginx';
const HAPROXY = '/usr/sbin/haproxy';

/** Each benchmark in its short form: that it does its work right, and never how fast. */
const noMicrovms = await whyNoMicrovms();
const noVms = noMicrovms === undefined ? undefined : `NOT RUN: ${noMicrovms}`;
const benchmarks: [name: string, skip: string | undefined][] = [
  ['join-burst', undefined],
  ['join-to-prompt', noDocker],
  ['ten-seats', noDocker],
  ['density', noDocker],
  ['echo', noDocker ?? without(NGINX, HAPROXY)],
  ['flood', noDocker],
  ['microvm', noVms],
  ['reattach', noDocker],
  ['greedy', noDocker],
  ['crowd', without(HAPROXY)],
  ['auth-proxy', without(NGINX, '/usr/bin/caddy', '/usr/bin/wrk')],
  ['web', noBrowser],
];

for (const [name, skip] of benchmarks) {
  test(`the benchmark ${name} does its work right`, skip === undefined ? {} : { skip }, async () => {
    const { code, output } = await run(name);
    assert.equal(code, 0, output);
    assert.match(output, /ratio \d/);
  });
}

function run(name: string): Promise<{ code: number | null; output: string }> {
  const file = fileURLToPath(new URL(`./${name}.ts`, import.meta.url));
  const child = spawn(process.execPath, [file, '--short'], { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      output += chunk;
    });
  }
  return new Promise((resolve) => {
    child.on('close', (code) => resolve({ code, output }));
  });
}
