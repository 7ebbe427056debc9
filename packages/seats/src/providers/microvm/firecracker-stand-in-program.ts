#!/usr/bin/env node
import { parseArgs } from 'node:util';
import { firecrackerStandIn } from './firecracker-stand-in.ts';

/** Firecracker's program as far as its client calls it, with a guest that comes up and leaves. */
const { values } = parseArgs({ options: { 'api-sock': { type: 'string' }, id: { type: 'string' } } });
const { server } = firecrackerStandIn({
  onStart: () => console.log('clarateach: init'),
  onCtrlAltDel: () => {
    console.log('clarateach: left');
    process.exit(0);
  },
});
server.listen(values['api-sock']);
