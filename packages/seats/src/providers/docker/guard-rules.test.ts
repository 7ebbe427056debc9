import assert from 'node:assert/strict';
import { test } from 'node:test';
import { guardRules, parseResolvers } from './guard-rules.ts';

test('private ranges and metadata addresses are dropped, whatever the host is like', () => {
  const rules = guardRules({ table: 'clarateach-test', bridges: 'ct-00', resolvers: [] });
  for (const network of [
    '10.0.0.0/8',
    '172.16.0.0/12',
    '192.168.0.0/16',
    '169.254.0.0/16',
    '100.64.0.0/10',
  ]) {
    assert.match(rules, new RegExp(`ip daddr \\{[^}]*${network}[^}]*\\} drop`));
  }
  assert.match(rules, /meta nfproto ipv6 drop/);
  assert.doesNotMatch(rules, /dport 53/);
});

test('name servers are let through on port 53 alone, before private ranges are dropped', () => {
  const rules = guardRules({
    table: 'clarateach-test',
    bridges: 'ct-00',
    resolvers: ['10.0.0.2', 'not an address; drop', 'fd00::1'],
  });
  assert.equal(
    rules.match(/ip daddr \{ 10\.0\.0\.2 \} meta l4proto \{ tcp, udp \} th dport 53 accept/g)?.length,
    2,
  );
  assert.ok(rules.lastIndexOf('dport 53') < rules.indexOf('169.254.0.0/16'));
  assert.doesNotMatch(rules, /not an address|fd00::1/);
});

test("the host's stub resolver is none that a seat could ask", () => {
  const file =
    '# by hand\nnameserver 127.0.0.53\n nameserver 192.168.1.1\nnameserver fe80::1\nsearch example.org\n';
  assert.deepEqual(parseResolvers(file), ['192.168.1.1']);
});
