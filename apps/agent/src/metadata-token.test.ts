import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import { describe, it } from 'node:test';
import { withMetadataToken } from './metadata-token.ts';

async function metadataServer(listener: RequestListener) {
  const server = createServer(listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    env: { GCE_METADATA_HOST: `127.0.0.1:${(server.address() as { port: number }).port}` },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

describe('the token of a cloud VM', () => {
  it('is the attribute agent-token of the instance', async () => {
    const asked: unknown[] = [];
    await using metadata = await metadataServer((request, response) => {
      asked.push([request.url, request.headers['metadata-flavor']]);
      response.setHeader('metadata-flavor', 'Google').end('token-of-the-instance\n');
    });
    const env = await withMetadataToken({ ...metadata.env, AGENT_TOKEN: ' ' });
    assert.equal(env.AGENT_TOKEN, 'token-of-the-instance');
    assert.deepEqual(asked, [['/computeMetadata/v1/instance/attributes/agent-token', 'Google']]);
  });

  it('is not asked for where the environment has one', async () => {
    await using metadata = await metadataServer(() => assert.fail('it was asked for'));
    const env = await withMetadataToken({ ...metadata.env, AGENT_TOKEN: 'given' });
    assert.equal(env.AGENT_TOKEN, 'given');
  });

  it('is none where nothing, or something else, answers', async () => {
    await using without = await metadataServer((_, response) => {
      response.setHeader('metadata-flavor', 'Google').writeHead(404).end('not found');
    });
    await using portal = await metadataServer((_, response) => response.end('<h1>Please sign in</h1>'));
    await using silent = await metadataServer(() => {});
    for (const env of [without.env, portal.env, silent.env, { GCE_METADATA_HOST: '127.0.0.1:1' }]) {
      assert.equal((await withMetadataToken(env)).AGENT_TOKEN, undefined);
    }
  });
});
