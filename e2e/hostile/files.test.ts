import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { gzipSync } from 'node:zlib';
import { listen } from '@clarateach/gateway/testing';
import { createFilesServer } from '@clarateach/workspace/src/files/server.ts';
import { type Header, pack } from 'tar-stream';
import { answer } from '../platform/learner.ts';
import { assertAllRefused, holesIn, type Outcome } from './outcome.ts';
import { type HostileRoom, hostileRoom } from './room.ts';
import { bearer, say } from './wire.ts';

const PLANTED_ARCHIVE = gzipSync(await tarOf([[{ name: 'planted' }, Buffer.from('planted')]]));
const SECRET = 'a file that is not of this workspace';

/** Ways out of a directory. The `link` is a symbolic link in it that leads out. */
const ESCAPES: readonly string[] = [
  '../secret.txt',
  '..',
  '../../../../../../../../etc/passwd',
  '/etc/passwd',
  '//etc/passwd',
  'a/../../secret.txt',
  './../secret.txt',
  'a/b/../../../secret.txt',
  '..\u0000',
  'notes.txt\u0000/../../secret.txt',
  '\u0000',
  'link/secret.txt',
  'link',
  'link/../secret.txt',
  'inner/link2/secret.txt',
  '/proc/self/environ',
  '/proc/self/root/etc/passwd',
  'link/../../../etc/passwd',
];
/** Names that look like ways out and are names; what they must not do is lead out. */
const LOOKALIKES: readonly string[] = [
  '..\\secret.txt',
  '%2e%2e/secret.txt',
  '..%2fsecret.txt',
  '%252e%252e%252fsecret.txt',
  '..;/secret.txt',
  '.../secret.txt',
  '\uff0e\uff0e/secret.txt',
  '..\u2215secret.txt',
  '~/secret.txt',
  '$HOME/secret.txt',
  'file:///etc/passwd',
];

interface Files {
  readonly base: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** Each path with each operation. Links may be removed and listed as what they are; nothing goes through them. */
async function traverse({ base, path, headers }: Files, paths: readonly string[]): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  const json = { ...headers, 'content-type': 'application/json' };
  for (const leading of paths) {
    const query = `path=${encodeURIComponent(leading)}`;
    const isLink = leading === 'link';
    const tried: readonly (readonly [string, ReturnType<typeof say>])[] = [
      ['read', say(base, `${path}/content?${query}`, { headers })],
      ['list', say(base, `${path}?${query}`, { headers })],
      ['download', say(base, `${path}/archive?format=tar.gz&${query}`, { headers })],
      [
        'write below',
        say(base, `${path}/content?${query}%2Fplanted`, { method: 'PUT', headers, body: 'planted' }),
      ],
      [
        'make',
        say(base, `${path}/directory`, {
          method: 'POST',
          headers: json,
          body: JSON.stringify({ path: `${leading}/planted` }),
        }),
      ],
      [
        'unpack into',
        say(base, `${path}/archive?${query}`, {
          method: 'POST',
          headers,
          body: PLANTED_ARCHIVE,
        }),
      ],
      [
        'move below',
        say(base, `${path}/move`, {
          method: 'POST',
          headers: json,
          body: JSON.stringify({ from: 'notes.txt', to: `${leading}/planted` }),
        }),
      ],
      ...(isLink
        ? []
        : ([
            ['write', say(base, `${path}/content?${query}`, { method: 'PUT', headers, body: 'planted' })],
            ['remove', say(base, `${path}?${query}`, { method: 'DELETE', headers })],
            [
              'move',
              say(base, `${path}/move`, {
                method: 'POST',
                headers: json,
                body: JSON.stringify({ from: leading, to: 'taken' }),
              }),
            ],
          ] as const)),
    ];
    for (const [what, asked] of tried) {
      const { status, body } = await asked;
      const attack = `${what} ${JSON.stringify(leading)}`;
      outcomes.push({
        attack,
        status,
        ...(body.includes(SECRET) || body.includes('root:x:') ? { got: body } : {}),
      });
    }
  }
  return outcomes;
}

/** A workspace with a secret beside it, and links that lead there. */
async function workspaceWithNeighbour(): Promise<{ root: string; workspace: string }> {
  const root = await mkdtemp(join(tmpdir(), 'clarateach-files-'));
  const workspace = join(root, 'workspace');
  await mkdir(join(workspace, 'inner'), { recursive: true });
  await mkdir(join(workspace, 'a', 'b'), { recursive: true });
  await writeFile(join(root, 'secret.txt'), SECRET);
  await writeFile(join(workspace, 'notes.txt'), 'mine');
  await symlink(root, join(workspace, 'link'));
  await symlink('../..', join(workspace, 'inner', 'link2'));
  return { root, workspace };
}

describe('files in a hostile room', () => {
  it('lead nowhere out of the workspace of a running seat', async () => {
    await using room: HostileRoom = await hostileRoom({ seats: 'local' });
    await answer(
      room.ada,
      'cd /workspace; mkdir -p inner a/b; echo mine > notes.txt; ln -s / link; ln -s ../.. inner/link2; echo done',
    );
    const files = {
      base: room.base,
      path: `${new URL(room.ada.endpoint).pathname}/vm/${room.ada.seat}/files`,
      headers: bearer(room.ada.token),
    };
    assert.equal(
      (await say(room.base, `${files.path}/content?path=notes.txt`, { headers: files.headers })).body,
      'mine\n',
    );
    assertAllRefused(await traverse(files, ESCAPES), 150);
    const lookalikes = await traverse(files, LOOKALIKES);
    assert.deepEqual(
      lookalikes.filter(({ status, got }) => status >= 500 || got !== undefined),
      [],
    );
    assert.equal(await answer(room.ada, 'ls / | grep -c planted'), '0');
  });

  describe('with something to steal beside the workspace', () => {
    let root: string;
    let workspace: string;
    let server: ReturnType<typeof createFilesServer>;
    let files: Files;
    before(async () => {
      ({ root, workspace } = await workspaceWithNeighbour());
      server = createFilesServer({
        directory: workspace,
        archiveLimits: { entries: 200, bytes: 1024 * 1024 },
      });
      files = { base: `http://127.0.0.1:${await listen(server.http)}`, path: '/files', headers: {} };
    });
    after(async () => {
      await server.close();
      await rm(root, { recursive: true });
    });
    const outside = async () => (await readdir(root)).sort();

    it('neither paths nor links reach it', async () => {
      assertAllRefused(await traverse(files, ESCAPES), 150);
      assert.deepEqual(await outside(), ['secret.txt', 'workspace']);
      assert.equal(await readFile(join(root, 'secret.txt'), 'utf8'), SECRET);
    });

    it('archives bring nothing out of it, and nothing that could take it along later', async () => {
      for (const [what, entries] of hostileArchives()) {
        const { status, body } = await unpack(files, entries);
        assert.ok(status === 400 || status === 200, `${what}: ${status} ${body}`);
        assert.deepEqual(await outside(), ['secret.txt', 'workspace'], what);
        assert.equal(await readFile(join(root, 'secret.txt'), 'utf8'), SECRET, what);
        const stolen = await say(files.base, '/files/content?path=planted/secret.txt');
        assert.ok(!stolen.body.includes(SECRET), what);
      }
    });

    it('bombs end at the limit, and what came before them is named', async () => {
      const zeros = Buffer.alloc(64 * 1024 * 1024);
      const bombs: readonly (readonly [string, Buffer])[] = [
        ['much of nothing', gzipSync(await tarOf([[{ name: 'zeros' }, zeros]]))],
        [
          'many entries',
          gzipSync(
            await tarOf(
              Array.from({ length: 300 }, (_, at) => [
                { name: `d/${at}`, type: 'directory' },
                Buffer.alloc(0),
              ]),
            ),
          ),
        ],
        [
          'a size that is not there',
          gzipSync((await tarOf([[{ name: 'f' }, zeros.subarray(0, 2048)]])).subarray(0, 700)),
        ],
        ['an archive in itself', gzipSync(gzipSync(zeros))],
        ['a zip whose list is missing', Buffer.from('PK\u0003\u0004'.padEnd(500, '\u0000'))],
      ];
      for (const [what, body] of bombs) {
        const { status, body: said } = await say(files.base, '/files/archive?path=bombs', {
          method: 'POST',
          body,
        });
        assert.ok(status === 413 || status === 400, `${what}: ${status} ${said}`);
      }
      assert.ok((await sizeOf(join(workspace, 'bombs'))) <= 1024 * 1024);
    });

    it('the check notices a server that joins paths', async () => {
      const holed = await joinsPaths(workspace);
      const found = holesIn(await traverse({ base: holed.base, path: '/files', headers: {} }, ESCAPES));
      holed.server.closeAllConnections();
      holed.server.close();
      for (const what of ['read "../secret.txt": 200', 'read "link/secret.txt": 200']) {
        assert.ok(
          found.some((hole) => hole.startsWith(what)),
          what,
        );
      }
    });
  });
});

type Entry = readonly [header: Partial<Header> & { name: string }, content: Buffer];

async function tarOf(entries: readonly Entry[]): Promise<Buffer> {
  const archive = pack();
  for (const [header, content] of entries) archive.entry({ ...header, size: content.length }, content);
  archive.finalize();
  const parts: Buffer[] = [];
  for await (const part of archive) parts.push(part as Buffer);
  return Buffer.concat(parts);
}

async function unpack({ base }: Files, entries: readonly Entry[]) {
  return say(base, '/files/archive?path=planted', { method: 'POST', body: gzipSync(await tarOf(entries)) });
}

function hostileArchives(): readonly (readonly [string, readonly Entry[]])[] {
  const text = Buffer.from('planted');
  const none = Buffer.alloc(0);
  const file = (name: string): Entry => [{ name }, text];
  const link = (name: string, linkname: string, type: 'symlink' | 'link' = 'symlink'): Entry => [
    { name, type, linkname },
    none,
  ];
  return [
    ['a path that leads up', [file('../../escaped')]],
    ['an absolute path', [file('/tmp/../escaped')]],
    ['a path that leads up in the middle', [file('a/../../../escaped')]],
    ['a link, and a file through it', [link('up', '../..'), file('up/escaped')]],
    ['a link to the root, and a file through it', [link('rootlink', '/'), file('rootlink/escaped')]],
    [
      'a chain of links',
      [link('one', '.'), link('one/two', '..'), link('one/two/three', '..'), file('one/two/three/escaped')],
    ],
    ['a link in place of a file', [file('swap'), link('swap', '../../secret.txt'), file('swap')]],
    ['a link that steals', [link('secret.txt', '../../secret.txt')]],
    ['a hard link', [link('hard', '../../secret.txt', 'link'), file('hard')]],
    ['a device', [[{ name: 'device', type: 'block-device', devmajor: 8, devminor: 0 }, none]]],
    ['a pipe', [[{ name: 'pipe', type: 'fifo' }, none]]],
    ['a file that sets a user', [[{ name: 'setuid', mode: 0o4755, uid: 0 }, text]]],
    ['an old link of the workspace', [file('../link/escaped')]],
    ['NUL in a name', [file('a\u0000/../../escaped')]],
    ['no name', [file('.')]],
  ];
}

async function sizeOf(directory: string): Promise<number> {
  const { stat } = await import('node:fs/promises');
  const names = await readdir(directory, { recursive: true }).catch(() => []);
  const sizes = await Promise.all(names.map(async (name) => (await stat(join(directory, name))).size));
  return sizes.reduce((sum, size) => sum + size, 0);
}

/** A planted hole: the whole of a files server that many have written. */
async function joinsPaths(directory: string): Promise<{ base: string; server: Server }> {
  const server = createServer((request, response) => {
    const path = new URL(request.url ?? '/', 'http://a').searchParams.get('path') ?? '';
    readFile(join(directory, path)).then(
      (content) => response.end(content),
      () => response.writeHead(404).end(),
    );
  });
  return { base: `http://127.0.0.1:${await listen(server)}`, server };
}
