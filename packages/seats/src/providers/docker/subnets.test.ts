import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { WorkshopId } from '@clarateach/contract/ids';
import { bridgeName } from './seat-network.ts';
import { parseCidr, parseRoutes, SubnetAllocator } from './subnets.ts';

test('five hundred seats get subnets that do not overlap', () => {
  const allocator = new SubnetAllocator(['10.201.0.0/16']);
  const subnets = Array.from({ length: 500 }, (_, seat) => allocator.claim(`seat-${seat}`, seat * 7) ?? '');
  const firsts = subnets.map((subnet) => parseCidr(subnet).first);
  assert.equal(new Set(firsts).size, 500);
  assert.ok(subnets.every((subnet) => /^10\.201\.\d+\.\d+\/29$/.test(subnet)));
});

test('what others use is left alone, to the last address of the pool', () => {
  const allocator = new SubnetAllocator(['10.201.0.0/27']);
  allocator.learn([parseCidr('10.201.0.9/32'), parseCidr('10.201.0.16/29')]);
  assert.deepEqual(
    [0, 0, 0].map((hint, index) => allocator.claim(`seat-${index}`, hint)),
    ['10.201.0.0/29', '10.201.0.24/29', undefined],
  );
});

test('a pool that a route of the host covers is passed over for the next one', () => {
  const allocator = new SubnetAllocator(['10.201.0.0/16', '172.30.0.0/16']);
  const vpn = 'Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n';
  allocator.learn(
    parseRoutes(`${vpn}eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0
tun0\t0000000A\t00000000\t0001\t0\t0\t0\t000000FF\t0\t0\t0\n`),
  );
  assert.equal(allocator.claim('seat', 0), '172.30.0.0/29');
});

test('a refused subnet is not offered again, a released one is', () => {
  const allocator = new SubnetAllocator(['10.201.0.0/28']);
  assert.equal(allocator.claim('a', 0), '10.201.0.0/29');
  allocator.refused('a');
  assert.equal(allocator.claim('a', 0), '10.201.0.8/29');
  assert.equal(allocator.claim('b', 0), undefined);
  allocator.release('a');
  assert.equal(allocator.claim('b', 0), '10.201.0.8/29');
});

test('a pool that is no IPv4 network is refused', () => {
  for (const cidr of ['10.0.0.0', '10.0.0.256/8', '10.0.0.0/33', 'fd00::/8', '']) {
    assert.throws(() => parseCidr(cidr), TypeError, cidr);
  }
});

test('every seat has a bridge name of its own that Linux accepts', () => {
  const names = ['ws-abcdefgh', 'ws-abcdefg1', 'ws-zzzzzzzz'].flatMap((workshop) =>
    Array.from({ length: 500 }, (_, index) =>
      bridgeName('mine', { workshop: workshop as WorkshopId, seat: index + 1 }),
    ),
  );
  assert.equal(new Set(names).size, names.length);
  assert.ok(names.every((name) => name.length <= 15));
});
