import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SeatPhase, WorkshopPhase } from '@clarateach/contract/workshop';
import { phaseOfWorkshop } from './view.ts';

const cases: [wanted: 'running' | 'stopped' | 'gone', seats: SeatPhase[], phase: WorkshopPhase][] = [
  ['running', ['ready', 'occupied'], 'ready'],
  ['running', ['ready', 'starting'], 'starting'],
  ['running', ['failed', 'waiting'], 'starting'],
  ['running', ['ready', 'failed'], 'degraded'],
  ['running', ['failed', 'failed'], 'failed'],
  ['running', ['ready', 'restarting'], 'starting'],
  ['running', ['ready', 'lost'], 'degraded'],
  ['running', ['lost', 'starting'], 'starting'],
  ['stopped', ['off', 'off'], 'stopped'],
  ['stopped', ['off', 'stopping'], 'stopping'],
  ['gone', ['stopping', 'off'], 'deleting'],
];

for (const [wanted, seats, phase] of cases) {
  test(`a workshop wanted ${wanted} with seats ${seats.join(' and ')} is ${phase}`, () => {
    assert.equal(phaseOfWorkshop(wanted, seats), phase);
  });
}
