#!/usr/bin/env node
import { accessSync, constants } from 'node:fs';
import { parseArgs } from 'node:util';
import { firecrackerStandIn } from './firecracker-stand-in.ts';

/** Firecracker's program as far as its client calls it, with a guest that comes up and leaves. */
const { values } = parseArgs({
  options: {
    'api-sock': { type: 'string', default: '/run/firecracker.socket' },
    id: { type: 'string' },
    /** Of the stand-in only: what a jailer that cannot take Node.js along would have made the root. */
    jail: { type: 'string' },
  },
});
const { jail } = values;
// Relative, because the path of a socket holds 107 bytes.
if (jail !== undefined) process.chdir(jail);
const placeOf = (path: string) => (jail === undefined ? path : `./${path}`);
const { server } = firecrackerStandIn({
  onStart: () => console.log('clarateach: init'),
  onCtrlAltDel: () => {
    console.log('clarateach: left');
    process.exit(0);
  },
  hasFile(path, access) {
    try {
      accessSync(placeOf(path), access === 'write' ? constants.R_OK | constants.W_OK : constants.R_OK);
      return true;
    } catch {
      return false;
    }
  },
});
server.listen(placeOf(values['api-sock']));
