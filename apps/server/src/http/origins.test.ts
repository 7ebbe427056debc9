import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createOrigins } from './origins.ts';

const site = createOrigins({
  publicUrl: 'https://teach.example.org',
  guessed: false,
  others: ['https://lms.example.org'],
});
const laptop = createOrigins({ publicUrl: 'http://localhost:8080', guessed: true, others: [] });

describe('origins', () => {
  it('are the site’s own, those configured, and nobody else’s', () => {
    const host = 'teach.example.org';
    assert.ok(site.allows('https://teach.example.org', { host }));
    assert.ok(site.allows('https://lms.example.org', { host }));
    assert.ok(!site.isCross('https://teach.example.org', { host }));
    assert.ok(site.isCross('https://lms.example.org', { host }));
    // The same name without TLS may be anybody on the way.
    for (const other of [
      'http://teach.example.org',
      'https://teach.example.org.evil.org',
      'https://3000--1--ws-abcdefgh.teach.example.org',
      'null',
    ]) {
      assert.ok(!site.allows(other, { host }), other);
    }
  });

  it('are checked for what changes something, by Origin or else by Sec-Fetch-Site', () => {
    const foreign = { code: 'foreign_origin' };
    const host = 'teach.example.org';
    site.check('GET', { host, origin: 'https://evil.example.org' });
    site.check('POST', { host });
    site.check('POST', { host, 'sec-fetch-site': 'same-origin' });
    site.check('DELETE', { host, origin: 'https://teach.example.org', 'sec-fetch-site': 'same-origin' });
    assert.throws(() => site.check('POST', { host, 'sec-fetch-site': 'same-site' }), foreign);
    assert.throws(() => site.check('PUT', { host, origin: 'https://evil.example.org' }), foreign);
  });

  it('lead learners to the address that they used, where that is not for anybody to choose', () => {
    assert.equal(site.reachedAt({ host: 'teach.example.org' }), 'https://teach.example.org');
    assert.equal(site.reachedAt({ host: 'evil.example.org' }), 'https://teach.example.org');
    assert.equal(site.reachedAt({ host: '127.0.0.1:8080' }), 'http://127.0.0.1:8080');
    assert.equal(site.reachedAt({}), 'https://teach.example.org');
    assert.equal(laptop.reachedAt({ host: 'localhost:8080' }), 'http://localhost:8080');
    assert.equal(laptop.reachedAt({ host: '192.168.1.7:8080' }), 'http://192.168.1.7:8080');
    assert.equal(laptop.reachedAt({ host: 'a b' }), 'http://localhost:8080');
    assert.equal(laptop.reachedAt({ host: 'x/../y' }), 'http://localhost:8080');
  });
});
