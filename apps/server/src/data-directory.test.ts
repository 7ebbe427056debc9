import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { servedAt, takeDataDirectory } from './data-directory.ts';

describe('the data directory', () => {
  let parent: string;
  beforeEach(async () => {
    parent = await mkdtemp(join(tmpdir(), 'clarateach-data-'));
  });
  afterEach(() => rm(parent, { recursive: true, force: true }));

  it('belongs to one server at a time, and the second is told which process has it', () => {
    const path = join(parent, 'data');
    const first = takeDataDirectory(path);
    assert.throws(() => takeDataDirectory(path), new RegExp(`process ${process.pid}.*--data`));
    first.release();
    takeDataDirectory(path).release();
  });

  it('is free again when its server was killed', async () => {
    const path = join(parent, 'data');
    const script = `const { takeDataDirectory } = await import(${JSON.stringify(join(import.meta.dirname, 'data-directory.ts'))});
      takeDataDirectory(${JSON.stringify(path)}); console.log('held'); setInterval(() => {}, 1000);`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(child.stdout, 'data');
    assert.throws(() => takeDataDirectory(path), new RegExp(`process ${child.pid}\\b`));
    child.kill('SIGKILL');
    await once(child, 'exit');
    takeDataDirectory(path).release();
  });

  it('tells where its server is reached, while that runs', async () => {
    const path = join(parent, 'data');
    assert.equal(servedAt(path), undefined);
    const held = takeDataDirectory(path);
    assert.equal(servedAt(path), undefined, 'it has no address yet');
    held.serves('http://localhost:8123');
    assert.equal(servedAt(path), 'http://localhost:8123');
    held.release();
    assert.equal(servedAt(path), undefined);
    const ended = spawn(process.execPath, ['-e', '']);
    await once(ended, 'exit');
    await writeFile(join(path, 'server.pid'), `${ended.pid}\nhttp://localhost:8123\n`);
    assert.equal(servedAt(path), undefined, 'it was killed');
  });

  it('that cannot be made or used says so', async () => {
    const file = join(parent, 'file');
    await writeFile(file, '');
    assert.throws(() => takeDataDirectory(join(file, 'data')), /cannot be made.*DATA_DIR/);
  });
});
