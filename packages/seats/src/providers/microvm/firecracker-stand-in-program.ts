#!/usr/bin/env node
import {
  accessSync,
  appendFileSync,
  constants,
  fstatSync,
  readFileSync,
  readlinkSync,
  writeFileSync,
} from 'node:fs';
import { parseArgs } from 'node:util';
import { firecrackerStandIn } from './firecracker-stand-in.ts';

/**
 * Firecracker's program as far as its client calls it, with a guest that comes up, waits where it is to
 * be saved, and leaves. What it was asked is in a file beside what it writes.
 */
const { values } = parseArgs({
  options: {
    'api-sock': { type: 'string', default: '/run/firecracker.socket' },
    id: { type: 'string' },
    version: { type: 'boolean', default: false },
    /** Of the stand-in only: what a jailer that cannot take Node.js along would have made the root. */
    jail: { type: 'string' },
  },
});
if (values.version) {
  console.log('Firecracker v1.16.1');
  process.exit(0);
}
const { jail } = values;
// Relative, because the path of a socket holds 107 bytes.
if (jail !== undefined) process.chdir(jail);
const placeOf = (path: string) => (jail === undefined ? path : `./${path}`);
const say = (line: string) => process.stdout.write(`clarateach: ${line}\r\n`);
const { server } = firecrackerStandIn({
  onStart: (bootArgs) => {
    say('init');
    if (bootArgs.includes('SEAT_WAIT=1')) say('waits');
    const [, flood] = /SEAT_FLOOD=(\d+)/.exec(bootArgs) ?? [];
    if (flood !== undefined) process.stdout.write(Buffer.alloc(Number(flood), 'a line of noise\r\n'));
  },
  onCtrlAltDel: () => {
    say('left');
    process.exit(0);
  },
  onResume: () => {
    // The console's input is read only where it is a terminal or a pipe.
    if (!fstatSync(0).isFIFO()) return;
    process.stdin.setEncoding('utf8').on('data', (word) => {
      say(String(word) === 'go\n' ? 'init goes on' : 'this guest is not wanted');
    });
  },
  onBroken: () => server.close(() => process.exit(1)),
  onRequest: (request) => appendFileSync('stand-in-requests', `${JSON.stringify(request)}\n`),
  write(path, content) {
    try {
      writeFileSync(placeOf(path), content);
      return undefined;
    } catch (error) {
      return (error as Error).message;
    }
  },
  read(path) {
    try {
      return readFileSync(placeOf(path), 'utf8');
    } catch {
      return undefined;
    }
  },
  hasFile(path, access) {
    try {
      accessSync(placeOf(path), access === 'write' ? constants.R_OK | constants.W_OK : constants.R_OK);
      return true;
    } catch {
      return false;
    }
  },
  hasTap(name) {
    // The process that launched it is in the host's network, where no VM has its tap.
    const namespaceOf = (process: string) => readlinkSync(`/proc/${process}/ns/net`);
    if (namespaceOf('self') === namespaceOf(`${process.ppid}`)) return false;
    return new RegExp(`^ *${name}:`, 'm').test(readFileSync('/proc/self/net/dev', 'utf8'));
  },
});
server.listen(placeOf(values['api-sock']));
