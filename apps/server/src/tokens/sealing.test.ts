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
    const [version, id, text] = sealed.split('.');
    const bytes = Buffer.from(text ?? '', 'base64url');
    bytes[14] = (bytes[14] ?? 0) ^ 1;
    assert.throws(() => sealing.open('signing-key', sealed), SealBroken);
    assert.throws(() => createSealing(`${SECRET}!`).open('api-key', sealed), SealBroken);
    assert.throws(
      () => sealing.open('api-key', `${version}.${id}.${bytes.toString('base64url')}`),
      SealBroken,
    );
    for (const broken of [
      '',
      'v1.',
      'v1.AAAA',
      'v2.AAAA',
      `v2.${id}.`,
      `v2.AAAAAAAA.${text}`,
      `v1.${text?.slice(4)}`,
      sealed.slice(0, -10),
    ]) {
      assert.throws(() => sealing.open('api-key', broken), SealBroken, broken);
    }
  });

  it('derives different keys for different uses', () => {
    const sealing = createSealing(SECRET);
    assert.equal(sealing.derive('previews').length, 32);
    assert.deepEqual(createSealing(SECRET).derive('previews'), sealing.derive('previews'));
    assert.notDeepEqual(sealing.derive('sessions'), sealing.derive('previews'));
  });

  it('with several secrets seals with the newest, opens all, and brings the others under it', () => {
    const old = createSealing(SECRET).seal('api-key', 'sk-1');
    let secrets = ['a newer secret of thirty-two characters', SECRET];
    const sealing = createSealing(() => secrets);
    assert.equal(sealing.open('api-key', old), 'sk-1');
    const moved = sealing.reseal('api-key', old);
    assert.equal(sealing.reseal('api-key', moved), moved);
    assert.throws(() => sealing.reseal('other', old), SealBroken);
    secrets = secrets.slice(0, 1);
    assert.equal(sealing.open('api-key', moved), 'sk-1');
    assert.throws(() => sealing.open('api-key', old), SealBroken);
  });

  it('opens what was sealed before keys had names', () => {
    const sealing = createSealing(() => ['a newer secret of thirty-two characters', SECRET]);
    const unnamed = `v1.${createSealing(SECRET).seal('api-key', 'sk-1').split('.')[2]}`;
    assert.equal(sealing.open('api-key', unnamed), 'sk-1');
    assert.match(sealing.reseal('api-key', unnamed), /^v2\./);
  });
});
