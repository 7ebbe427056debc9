import { existsSync } from 'node:fs';
import { probeDocker } from '@clarateach/seats/providers/docker/probe';
import { noBrowser } from './chromium.ts';
import { checkBenchmark } from './testing-short.ts';

const docker = await probeDocker();
const noDocker = docker.ok ? undefined : `NOT RUN: ${docker.note}`;

/** Why benchmarks beside these programs cannot run; undefined when they can. */
function without(...programs: readonly string[]): string | undefined {
  const missing = programs.filter((program) => !existsSync(program));
  return missing.length > 0 ? `NOT RUN: ${missing.join(' and ')} not installed` : undefined;
}
const NGINX = '/usr/sbin/nginx';
const HAPROXY = '/usr/sbin/haproxy';

checkBenchmark('join-burst', undefined);
checkBenchmark('revocation', undefined);
checkBenchmark('join-to-prompt', noDocker);
checkBenchmark('ten-seats', noDocker);
checkBenchmark('density', noDocker);
checkBenchmark('echo', noDocker ?? without(NGINX, HAPROXY));
checkBenchmark('flood', noDocker);
checkBenchmark('reattach', noDocker);
checkBenchmark('greedy', noDocker);
checkBenchmark('crowd', without(HAPROXY));
checkBenchmark('auth-proxy', without(NGINX, '/usr/bin/caddy', '/usr/bin/wrk'));
checkBenchmark('web', noBrowser);
