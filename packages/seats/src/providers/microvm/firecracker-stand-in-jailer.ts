#!/usr/bin/env node
import { execFileSync } from 'node:child_process';
import {
  accessSync,
  chmodSync,
  chownSync,
  closeSync,
  constants,
  copyFileSync,
  mkdirSync,
  openSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { parseArgs } from 'node:util';

/**
 * Firecracker's jailer, for tests: takes the arguments that its documentation names, and makes the jail
 * as it says, but leaves its own root and user, because the stand-in for Firecracker needs Node.js.
 */
const { values, positionals } = parseArgs({
  options: {
    id: { type: 'string', default: '' },
    'exec-file': { type: 'string', default: '' },
    uid: { type: 'string', default: '' },
    gid: { type: 'string', default: '' },
    'chroot-base-dir': { type: 'string', default: '/srv/jailer' },
    'resource-limit': { type: 'string', multiple: true, default: [] },
  },
  allowPositionals: true,
});
const { id, uid, gid, 'exec-file': program } = values;
if (!/^[A-Za-z0-9-]{1,64}$/.test(id)) throw new Error(`Invalid instance ID: ${id}`);
if (!/^\d+$/.test(uid) || !/^\d+$/.test(gid)) throw new Error('uid and gid are numbers');
if (!basename(program).includes('firecracker')) throw new Error('exec-file is no firecracker');
if (!values['resource-limit'].every((limit) => /^(fsize|no-file)=\d+$/.test(limit)))
  throw new Error('Invalid format for resources limits');
accessSync(program, constants.X_OK);
accessSync(values['chroot-base-dir']);

const root = join(values['chroot-base-dir'], basename(program), id, 'root');
mkdirSync(root, { recursive: true });
copyFileSync(program, join(root, basename(program)));
for (const directory of ['.', 'dev', 'dev/net', 'run']) {
  mkdirSync(join(root, directory), { recursive: true });
  chmodSync(join(root, directory), 0o700);
  chownSync(join(root, directory), Number(uid), Number(gid));
}
// One that is always there, in place of KVM's: it must open where it is made.
const device = join(root, 'dev', 'null');
execFileSync('mknod', [device, 'c', '1', '3']);
closeSync(openSync(device, 'r+'));
const copy = join(root, basename(program));
process.execve?.(copy, [copy, '--id', id, '--jail', root, ...positionals], process.env);
