import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CommandError } from '../errors.ts';
import { hostBeside } from './host-beside.ts';

const of = (cidr: string) => ({
  ...{ address: cidr.split('/')[0] ?? '', cidr, netmask: '', mac: '02:00:00:00:00:01', internal: false },
  family: 'IPv4' as const,
});

test('the host’s address beside a seat is found wherever in their network it is', () => {
  const interfaces = {
    eth0: [of('192.168.1.7/16')],
    clarateach0: [of('192.168.100.254/24')],
    wide: [of('10.9.200.3/16')],
  };
  assert.equal(hostBeside('192.168.100.11', interfaces), '192.168.100.254');
  assert.equal(hostBeside('10.9.0.11', interfaces), '10.9.200.3');
  assert.throws(() => hostBeside('172.16.0.11', interfaces), CommandError);
});
