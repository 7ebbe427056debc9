import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createSealing, SealBroken } from './sealing.ts';

const SECRET = 'one secret of thirty-two characters';

describe('sealing', () => {
  it('opens what the same secret sealed, and never seals twice alike', () => {
    const sealing = createSealing(SECRET);
    const sealed = sealing.seal('api-key', 'sk-ünïcode');
    assert.equal(createSealing(SECRET).open('api-key', sealed), 'sk-ünïcode');
    assert.notEqual(sealing.seal('api-key', 'sk-ünïcode'), sealed);
    assert.equal(sealing.open('empty', sealing.seal('empty', '')), '');
  });

  it('opens nothing for another purpose, with another secret, or changed in a single bit', () => {
    const sealing = createSealing(SECRET);
    const sealed = sealing.seal('api-key', 'sk-1');
    const bytes = Buffer.from(sealed.slice(3), 'base64url');
    bytes[14] = (bytes[14] ?? 0) ^ 1;
    assert.throws(() => sealing.open('signing-key', sealed), SealBroken);
    assert.throws(() => createSealing(`${SECRET}!`).open('api-key', sealed), SealBroken);
    assert.throws(() => sealing.open('api-key', `v1.${bytes.toString('base64url')}`), SealBroken);
    for (const broken of ['', 'v1.', 'v1.AAAA', 'v2.AAAA', sealed.slice(0, -10)]) {
      assert.throws(() => sealing.open('api-key', broken), SealBroken, broken);
    }
  });

  it('derives different keys for different uses', () => {
    const sealing = createSealing(SECRET);
    assert.equal(sealing.derive('previews').length, 32);
    assert.deepEqual(createSealing(SECRET).derive('previews'), sealing.derive('previews'));
    assert.notDeepEqual(sealing.derive('sessions'), sealing.derive('previews'));
  });
});
