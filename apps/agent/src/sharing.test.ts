import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { AgentHealth, Vm } from '@clarateach/contract/agent-api';
import type { WorkshopId } from '@clarateach/contract/ids';
import { TERMINAL_PORT } from '@clarateach/contract/seat-server';
import { dialPort } from '@clarateach/gateway/dial';
import { instantProvider } from '@clarateach/seats/providers/doubles';
import { remoteAgent } from '@clarateach/seats/providers/remote';
import { readAgentConfig } from './config.ts';
import { createAgent } from './main.ts';
import { type TestAgent, TOKEN, testAgent } from './testing.ts';

const { signal } = new AbortController();
const LIMITS = { memoryMiB: 512, cpus: 1, processes: 100, openFiles: 1024 };
const seatOf = (workshop: string, seat = 1) => ({ workshop: workshop as WorkshopId, seat });
const OURS = seatOf('ws-ours2345');
const THEIRS = seatOf('ws-theirs23');

function clientOf({ port }: { port: number }, installation?: string) {
  return remoteAgent({ address: `http://127.0.0.1:${port}`, token: TOKEN, installation });
}

async function listed(agent: TestAgent): Promise<readonly Vm[]> {
  return ((await (await agent.call('GET', '/vms')).json()) as { vms: Vm[] }).vms;
}

describe('two installations on one agent', () => {
  it('see their own seats alone, and cannot touch the other’s', async () => {
    const agent = await testAgent(instantProvider(), { env: { CAPACITY: '2' } });
    try {
      const [one, two] = [clientOf(agent, 'one'), clientOf(agent, 'two')];
      await one.ensure({ id: OURS, env: {}, limits: LIMITS }, signal);
      await two.ensure({ id: THEIRS, env: {}, limits: LIMITS }, signal);
      assert.deepEqual([await one.list(signal), await two.list(signal)], [[OURS], [THEIRS]]);
      assert.deepEqual(await one.observe(THEIRS, signal), { state: 'absent' });
      // What is absent is already stopped and destroyed.
      await one.stop(THEIRS, signal);
      await one.destroy(THEIRS, signal);
      await assert.rejects(one.ensure({ id: THEIRS, env: {}, limits: LIMITS }, signal), {
        kind: 'rejected',
        message: /another installation/,
      });
      await one.setHolder(THEIRS, { odehash: 'LEARNERA' as never, revision: 9 }, signal);
      assert.equal((await two.observe(THEIRS, signal)).state, 'running');
      assert.equal((await two.inspect(signal)).vms[0]?.holder, null);
      // Room is shared, and each knows how much of it is taken.
      const { vm_count, vms } = await one.inspect(signal);
      assert.deepEqual([vm_count, vms.length], [2, 1]);
      await assert.rejects(one.ensure({ id: seatOf('ws-ours2345', 2), env: {}, limits: LIMITS }, signal), {
        kind: 'capacity',
      });
    } finally {
      await agent.close();
    }
  });

  it('connect to the ports of their own seats alone', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'clarateach-agent-'));
    const terminal = createServer((socket) => socket.end('hello')).listen(join(directory, '3001.sock'));
    const provider = instantProvider();
    const agent = await testAgent({
      ...provider,
      observe: async (id, look) => {
        const seen = await provider.observe(id, look);
        return seen.state === 'running' ? { ...seen, endpoint: { kind: 'unix', directory } } : seen;
      },
    });
    try {
      const one = clientOf(agent, 'one');
      await one.ensure({ id: OURS, env: {}, limits: LIMITS }, signal);
      const seen = await one.observe(OURS, signal);
      assert.ok(seen.state === 'running');
      /** What the seat says to whoever dials it as this installation. */
      const dialled = (installation?: string) =>
        new Promise<string>((resolve) => {
          const settings = { connectTimeoutMs: 5_000, agentToken: () => TOKEN, installation };
          dialPort(
            seen.endpoint,
            TERMINAL_PORT,
            settings,
          )((fault, socket, early) => {
            if (fault) return resolve(fault.message);
            const chunks = [early];
            socket.on('data', (chunk: Buffer) => chunks.push(chunk));
            socket.on('end', () => {
              socket.destroy();
              resolve(Buffer.concat(chunks).toString());
            });
          });
        });
      assert.equal(await dialled('one'), 'hello');
      for (const other of ['two', undefined]) {
        assert.match(await dialled(other), /the agent refused a connection to the seat with 502/);
      }
    } finally {
      await agent.close();
      terminal.close();
      await rm(directory, { recursive: true, force: true });
    }
  });

  it('leave a server that is too old to name itself the seats without a label, and a person all', async () => {
    const agent = await testAgent(instantProvider());
    try {
      const old = clientOf(agent);
      await clientOf(agent, 'one').ensure({ id: OURS, env: {}, limits: LIMITS }, signal);
      await old.ensure({ id: THEIRS, env: {}, limits: LIMITS }, signal);
      assert.deepEqual(await old.list(signal), [THEIRS]);
      assert.deepEqual(
        (await listed(agent)).map(({ installation }) => installation),
        ['one', null],
      );
      assert.equal((await agent.call('DELETE', `/vms/${OURS.workshop}/1`)).status, 204);
      assert.deepEqual((await listed(agent)).length, 1);
      const wrong = await agent.call('GET', '/vms', undefined, { 'clarateach-installation': 'a b' });
      assert.equal(wrong.status, 400);
    } finally {
      await agent.close();
    }
  });

  it('each find what they said of tokens taken back, and both are obeyed', async () => {
    const agent = await testAgent(instantProvider());
    try {
      const [one, two] = [clientOf(agent, 'one'), clientOf(agent, 'two')];
      const word = (workshop: string) => ({
        revocations: [
          {
            workshop_id: workshop as WorkshopId,
            odehash: 'LEARNERA' as never,
            before: 1,
            expires_at: Date.now() + 60_000,
          },
        ],
      });
      const [ofOne, ofTwo] = [word(OURS.workshop), word(THEIRS.workshop)];
      await one.revoke(ofOne, signal);
      const known = (await one.inspect(signal)).revocations;
      await two.revoke(ofTwo, signal);
      // Nothing is to be told again because of the other's.
      assert.equal((await one.inspect(signal)).revocations, known);
      assert.notEqual((await two.inspect(signal)).revocations, known);
    } finally {
      await agent.close();
    }
  });

  it('stay apart over a restart of the agent', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'clarateach-agent-'));
    const provider = instantProvider();
    const start = () =>
      createAgent(readAgentConfig({ PORT: '0', DATA_DIR: directory, AGENT_TOKEN: TOKEN }), {
        provider,
        log: () => {},
      });
    try {
      const first = await start();
      await clientOf(first, 'one').ensure({ id: OURS, env: {}, limits: LIMITS }, signal);
      await first.close();
      const second = await start();
      assert.deepEqual(await clientOf(second, 'two').list(signal), []);
      assert.deepEqual(await clientOf(second, 'one').list(signal), [OURS]);
      await second.close();
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  });
});

describe('a worker that is drained', () => {
  it('takes no new seats, keeps those it has, says when it is empty, also over a restart', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'clarateach-agent-'));
    const provider = instantProvider();
    const said: string[] = [];
    const start = () =>
      createAgent(readAgentConfig({ PORT: '0', DATA_DIR: directory, AGENT_TOKEN: TOKEN }), {
        provider,
        log: (_level, message) => said.push(message),
      });
    const authorization = { authorization: `Bearer ${TOKEN}` };
    try {
      let agent = await start();
      const ask = async (method: string, path: string) =>
        (await (
          await fetch(`http://127.0.0.1:${agent.port}${path}`, { method, headers: authorization })
        ).json()) as AgentHealth;
      const spec = { id: OURS, env: {}, limits: LIMITS };
      await clientOf(agent, 'one').ensure(spec, signal);
      const health = await ask('PUT', '/drain');
      assert.deepEqual([health.status, health.vm_count], ['draining', 1]);
      await agent.close();
      agent = await start();
      const one = clientOf(agent, 'one');
      await assert.rejects(one.ensure({ ...spec, id: seatOf('ws-ours2345', 2) }, signal), {
        kind: 'capacity',
        message: /being drained/,
      });
      // A seat that is here is brought up again: its learner and files are.
      await one.ensure(spec, signal);
      assert.equal((await one.observe(OURS, signal)).state, 'running');
      assert.doesNotMatch(said.join(), /is empty/);
      await one.destroy(OURS, signal);
      assert.match(said.join(), /is empty/);
      assert.match(
        await (await fetch(`http://127.0.0.1:${agent.port}/metrics`)).text(),
        /clarateach_agent_draining 1\n/,
      );
      assert.equal((await ask('DELETE', '/drain')).status, 'ok');
      await one.ensure(spec, signal);
      await agent.close();
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  });

  it('is drained by nobody without the token', async () => {
    const agent = await testAgent(instantProvider());
    try {
      const response = await fetch(`http://127.0.0.1:${agent.port}/drain`, { method: 'PUT' });
      assert.equal(response.status, 401);
      assert.equal((await remoteHealth(agent)).status, 'ok');
    } finally {
      await agent.close();
    }
  });
});

describe('the figures of an agent', () => {
  it('tell seats by state, room, how long seats took, and the age of the keys', async () => {
    const agent = await testAgent(instantProvider());
    try {
      const one = clientOf(agent, 'one');
      await one.ensure({ id: OURS, env: {}, limits: LIMITS }, signal);
      await one.observe(OURS, signal);
      await one.ensure({ id: THEIRS, env: {}, limits: LIMITS }, signal);
      await one.stop(THEIRS, signal);
      const text = await (await fetch(`http://127.0.0.1:${agent.port}/metrics`)).text();
      for (const line of [
        /^clarateach_agent_seats 2$/m,
        /^clarateach_agent_seats_by_state\{state="running"\} 1$/m,
        /^clarateach_agent_seats_by_state\{state="absent"\} 1$/m,
        /^clarateach_agent_capacity 50$/m,
        /^clarateach_agent_draining 0$/m,
        /^clarateach_agent_ensure_duration_seconds_count\{outcome="ok"\} 2$/m,
        /^clarateach_agent_keys_age_seconds -1$/m,
        /^clarateach_agent_streams 0$/m,
        /^clarateach_gateway_connections 0$/m,
      ]) {
        assert.match(text, line);
      }
    } finally {
      await agent.close();
    }
  });
});

async function remoteHealth({ port }: { port: number }): Promise<AgentHealth> {
  return (await (await fetch(`http://127.0.0.1:${port}/health`)).json()) as AgentHealth;
}
