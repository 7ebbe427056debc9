import type { ConnectionState, WaitCause } from './terminal-connection.ts';

/** The state in words, for the status bar. */
export function stateText(state: ConnectionState): string {
  switch (state.kind) {
    case 'ready':
      return 'Connected';
    case 'connecting':
      return state.attempt === 0 ? 'Connecting' : 'Reconnecting';
    case 'waiting':
      return state.cause === 'seat' ? 'Seat restarting' : 'Disconnected';
    case 'exited':
      return 'Shell ended';
    case 'refused':
      return 'Refused';
    case 'closed':
      return 'Closed';
  }
}

const WAITS: Record<WaitCause, string> = {
  network: 'Disconnected, reconnecting by itself',
  seat: 'Seat restarting',
  blocked: 'Blocked on its way to the seat, which answers',
};

/** What is read aloud after `before`: what lasts, and not each attempt to end it. */
export function announcement(state: ConnectionState, before: string): string {
  if (state.kind === 'waiting') return WAITS[state.cause];
  if (state.kind === 'connecting' && before !== '') return before;
  return stateText(state);
}
