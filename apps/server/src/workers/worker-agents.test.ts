import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ConfigError } from '@clarateach/contract/settings';
import { readConfig } from '../config.ts';
import { parseWorkerAgents } from './worker-agents.ts';

describe('WORKER_AGENTS', () => {
  it('names workers by host and port, or by their origin', () => {
    assert.deepEqual(
      parseWorkerAgents(
        JSON.stringify([
          { address: '10.0.0.5:9090', token: 'geheim', publicUrl: 'https://w1.example.org' },
          { address: 'https://w2.example.org', token: 'geheim' },
          { address: '127.0.0.1:9091' },
        ]),
      ),
      [
        { address: 'http://10.0.0.5:9090', token: 'geheim', publicUrl: 'https://w1.example.org' },
        { address: 'https://w2.example.org', token: 'geheim', publicUrl: undefined },
        { address: 'http://127.0.0.1:9091', token: undefined, publicUrl: undefined },
      ],
    );
  });

  it('stops the start with a line that says which and why, and shows no token', () => {
    const wrong: [string, RegExp][] = [
      ['10.0.0.5:9090', /^WORKER_AGENTS is not JSON/],
      ['{"address":"10.0.0.5:9090","token":"geheim"}', /^WORKER_AGENTS is not a list/],
      ['[7]', /has in entry 1 no object/],
      ['[{"token":"geheim"}]', /has in entry 1 a wrong "address"/],
      ['[{"address":"10.0.0.5:9090","token":7}]', /has in entry 1 a wrong "token"/],
      ['[{"address":"10.0.0.5:9090","token":"geheim","tokn":"geheim"}]', /has in entry 1 a wrong "tokn"/],
      [
        '[{"address":"10.0.0.5","token":"geheim"}]',
        /has in entry 1 the address "10\.0\.0\.5"\. Give host and port/,
      ],
      ['[{"address":"10.0.0.5:9090/x","token":"geheim"}]', /Give host and port/],
      ['[{"address":"10.0.0.5:9090"}]', /has in entry 1 no "token"/],
      ['[{"address":"10.0.0.5:9090","token":"geheim\\n"}]', /special characters/],
      [
        '[{"address":"10.0.0.5:9090","token":"geheim","publicUrl":"ftp://x"}]',
        /has in entry 1 the publicUrl "ftp:\/\/x"/,
      ],
      [
        '[{"address":"10.0.0.5:9090","token":"geheim"},{"address":"http://10.0.0.5:9090/","token":"geheim"}]',
        /names 10\.0\.0\.5:9090 twice/,
      ],
    ];
    for (const [value, message] of wrong) {
      assert.throws(
        () => readConfig({ WORKER_AGENTS: value }),
        (error) => {
          assert.ok(error instanceof ConfigError, value);
          assert.match(error.message, message);
          assert.doesNotMatch(error.message, /geheim/);
          return true;
        },
      );
    }
    assert.throws(
      () => readConfig({ WORKER_LOST_SECONDS: 'soon' }),
      /^ConfigError: WORKER_LOST_SECONDS is "soon"/,
    );
  });
});
