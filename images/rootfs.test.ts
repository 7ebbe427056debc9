import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmod,
  lchown,
  link,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { ImageBuildError } from './image-build-error.ts';
import { vmlinuxOf } from './microvm/vmlinux.ts';
import { buildRootfs } from './rootfs.ts';

const run = promisify(execFile);
const { signal } = new AbortController();
const debugfs = '/usr/sbin/debugfs';
const reason =
  process.getuid?.() !== 0
    ? 'owners of files are only kept by root'
    : await stat(debugfs).then(
        () => undefined,
        () => 'debugfs is not installed (apt-get install e2fsprogs)',
      );
if (reason) {
  console.log(`NOT RUN: root disks: ${reason}`);
  if (process.env.CI === 'true') throw new Error(`NOT RUN: ${reason}`);
}

describe('a root disk', { skip: reason ?? false }, () => {
  let directory: string;
  let tree: string;
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'clarateach-rootfs-'));
    tree = join(directory, 'tree');
    for (const path of ['opt/clarateach', 'usr/bin', 'workspace', 'proc/1']) {
      await mkdir(join(tree, path), { recursive: true });
    }
    await lchown(join(tree, 'workspace'), 1000, 1000);
    for (const path of ['opt/clarateach/entrypoint.sh', 'usr/bin/setpriv', 'usr/bin/prlimit']) {
      await writeFile(join(tree, path), '#!/bin/sh\n');
    }
    await chmod(join(tree, 'usr/bin/setpriv'), 0o4755);
    await symlink('usr/bin', join(tree, 'bin'));
    await link(join(tree, 'usr/bin/setpriv'), join(tree, 'usr/bin/second-name'));
    await writeFile(join(tree, 'usr/bin/large'), Buffer.alloc(8 * 1024 * 1024, 7));
  });
  after(() => rm(directory, { recursive: true, force: true }));

  const make = (changes: { size?: string; initScript?: string; directory?: string } = {}) =>
    buildRootfs({
      source: { kind: 'tree', directory: changes.directory ?? tree },
      output: join(directory, 'out', 'rootfs.ext4'),
      size: changes.size ?? '64M',
      ...(changes.initScript === undefined ? {} : { initScript: changes.initScript }),
      signal,
      onProgress: () => undefined,
    });
  const asked = async (request: string) =>
    (await run(debugfs, ['-R', request, join(directory, 'out', 'rootfs.ext4')])).stdout;

  test('has the tree with its owners, modes and links, and an init of its own', async () => {
    const made = await make();
    assert.equal(made.bytes, 64 * 1024 * 1024);
    assert.ok(made.bytesOnDisk < made.bytes);
    assert.match(await asked('stat /workspace'), /User: +1000 +Group: +1000/);
    assert.match(await asked('stat /usr/bin/setpriv'), /Mode: +04755[\s\S]*Links: 2/);
    assert.match(await asked('stat /bin'), /Type: symlink[\s\S]*Fast link dest: "usr\/bin"/);
    assert.match(await asked('cat /sbin/clarateach-init'), /entrypoint\.sh/);
    assert.doesNotMatch(await asked('ls /proc'), /\b1\b \(\d+\) 1$/m);
    assert.deepEqual(await readdir(join(directory, 'out')), ['rootfs.ext4']);
    await run('/usr/sbin/e2fsck', ['-fn', made.output]);
  });

  test('is for every VM to read, and the same inside, when it is made under a strict umask', async () => {
    const { output } = await make();
    const sum = async () =>
      createHash('sha256')
        .update(await readFile(output))
        .digest('hex');
    const before = await sum();
    const umask = process.umask(0o077);
    try {
      await make();
    } finally {
      process.umask(umask);
    }
    assert.equal((await stat(output)).mode & 0o777, 0o644);
    assert.equal(await sum(), before);
    for (const path of ['/dev', '/run', '/sys', '/sbin'])
      assert.match(await asked(`stat ${path}`), /Mode: +0755/);
  });

  test('is the same to the byte when it is made again from the same', async () => {
    const sums: string[] = [];
    for (let round = 0; round < 2; round += 1) {
      const { output } = await make();
      sums.push(
        createHash('sha256')
          .update(await readFile(output))
          .digest('hex'),
      );
      await rm(output);
      // Times that are counted in seconds differ then.
      await new Promise((resolve) => setTimeout(resolve, 1_100));
      await readFile(join(tree, 'usr/bin/large'));
    }
    assert.equal(sums[0], sums[1]);
  });

  test('keeps owners and modes when it is made by an ordinary user, under fakeroot', async (context) => {
    const asNobody = ['--reuid=65534', '--regid=65534', '--clear-groups'];
    const program = join(import.meta.dirname, 'rootfs.ts');
    const out = join(directory, 'nobody');
    await mkdir(out);
    await lchown(out, 65_534, 65_534);
    await chmod(directory, 0o755);
    const readable = await run('setpriv', [...asNobody, 'test', '-r', program]).then(
      () => true,
      () => false,
    );
    if (!readable) return context.skip('NOT RUN: an ordinary user may not read this checkout');
    const script = `
      const { buildRootfs } = await import(${JSON.stringify(program)});
      await buildRootfs({ source: { kind: 'tree', directory: ${JSON.stringify(tree)} }, size: '64M',
        output: ${JSON.stringify(join(out, 'rootfs.ext4'))}, signal: new AbortController().signal, onProgress() {} });`;
    await run('setpriv', [...asNobody, process.execPath, '--input-type=module', '-e', script]);
    const { stdout } = await run(debugfs, ['-R', 'stat /usr/bin/setpriv', join(out, 'rootfs.ext4')]);
    assert.match(stdout, /Mode: +04755/);
    assert.match(stdout, /User: +0 +Group: +0/);
    assert.deepEqual(await readdir(out), ['rootfs.ext4']);
  });

  test('takes away what a build left that was killed, and leaves one alone that is under way', async () => {
    const out = join(directory, 'killed');
    await mkdir(out);
    const output = join(out, 'rootfs.ext4');
    const underWay = join(out, 'rootfs.ext4.next-1');
    const program = join(import.meta.dirname, 'rootfs.ts');
    // It says something when it has begun.
    const script = `
      const { buildRootfs } = await import(${JSON.stringify(program)});
      await buildRootfs({ source: { kind: 'tree', directory: ${JSON.stringify(tree)} }, size: '64M',
        output: ${JSON.stringify(output)}, signal: new AbortController().signal,
        onProgress() { process.kill(process.pid, 'SIGKILL'); } });`;
    const killed = await run(process.execPath, ['--input-type=module', '-e', script]).catch((error) => error);
    assert.equal(killed.signal, 'SIGKILL');
    const left = await readdir(out);
    assert.match(left.join(), /^rootfs\.ext4\.next-\d+$/);
    await mkdir(underWay);
    await buildRootfs({
      ...{ source: { kind: 'tree', directory: tree }, size: '64M', output, signal },
      onProgress: () => undefined,
    });
    assert.deepEqual((await readdir(out)).sort(), ['rootfs.ext4', 'rootfs.ext4.next-1']);
  });

  test('has the init script that it is given, and then needs nothing of a seat', async () => {
    const script = join(directory, 'init.sh');
    await writeFile(script, '#!/bin/sh\nexec /my/own\n');
    const bare = join(directory, 'bare');
    await mkdir(bare);
    await make({ initScript: script, directory: bare });
    assert.match(await asked('cat /sbin/clarateach-init'), /my\/own/);
  });

  test('is refused, with what was there before kept, when it cannot be made', async () => {
    const made = await make();
    const refused = (message: RegExp) => (error: unknown) =>
      error instanceof ImageBuildError && message.test(error.message);
    await assert.rejects(make({ size: '4M' }), refused(/needs about \d+M, so give a larger --size than 4M/));
    await assert.rejects(make({ size: 'big' }), refused(/number with M or G/));
    await assert.rejects(
      make({ directory: join(directory, 'out') }),
      refused(/no \/opt\/clarateach\/entrypoint\.sh/),
    );
    await assert.rejects(make({ directory: join(directory, 'none') }), refused(/is no directory/));
    assert.deepEqual(await readdir(join(directory, 'out')), ['rootfs.ext4']);
    assert.equal((await stat(made.output)).size, made.bytes);
  });
});

test('a kernel that is none, or ends too early, is refused', () => {
  assert.throws(() => vmlinuxOf(Buffer.alloc(2048)), /it is no bzImage/);
  const image = Buffer.alloc(4096);
  image.write('HdrS', 0x202, 'latin1');
  image.writeUInt8(1, 0x1f1);
  image.writeUInt32LE(0, 0x248);
  image.writeUInt32LE(64, 0x24c);
  assert.throws(() => vmlinuxOf(image), /compressed in a way that is not known/);
  image.writeUInt32LE(0x184c2102, 1024);
  image.writeUInt32LE(1000, 1028);
  assert.throws(() => vmlinuxOf(image), ImageBuildError);
});

test('a kernel is unpacked from LZ4, overlapping matches and all', () => {
  // "\x7fELF" and then "ab" eight times: literals, and a match that repeats what it writes.
  const block = Buffer.from([0x6a, 0x7f, 0x45, 0x4c, 0x46, 0x61, 0x62, 2, 0, 0x00]);
  const size = Buffer.alloc(4);
  size.writeUInt32LE(20);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(block.length);
  const payload = Buffer.concat([Buffer.from([0x02, 0x21, 0x4c, 0x18]), length, block, size]);
  const image = Buffer.alloc(2048);
  image.write('HdrS', 0x202, 'latin1');
  image.writeUInt8(1, 0x1f1);
  image.writeUInt32LE(payload.length, 0x24c);
  payload.copy(image, 1024);
  assert.equal(vmlinuxOf(image).toString('latin1'), `\x7fELF${'ab'.repeat(8)}`);
});
