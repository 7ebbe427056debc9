import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { ProviderError } from '../../provider.ts';

/** Only root can open it; it ends with the machine. */
const LOCK = '/run/clarateach-network.lock';
const WAIT_SECONDS = 15;

/**
 * Runs the work while no other process of this machine makes, takes or removes a bridge for seats. A
 * process that is killed lets go. Throws a ProviderError `unreachable` when somebody holds it too long.
 */
export async function withNetworkLock<T>(work: () => Promise<T>): Promise<T> {
  const held = ['sh', '-c', 'echo held; exec cat'];
  const child = spawn('flock', ['--exclusive', '--timeout', `${WAIT_SECONDS}`, LOCK, ...held], {
    stdio: ['pipe', 'pipe', 'ignore'],
    cwd: '/',
  });
  const ended = once(child, 'close');
  ended.catch(() => {});
  const said = once(child.stdout, 'data').then(() => true);
  const isHeld = await Promise.race([said, ended.then(() => false)]).catch((cause: unknown) => {
    throw new ProviderError('rejected', 'This machine lacks the program flock, which microVM seats need.', {
      cause,
    });
  });
  if (!isHeld) {
    throw new ProviderError(
      'unreachable',
      `Another program of this machine has been making a network for seats for ${WAIT_SECONDS} s (it holds ${LOCK}). It is tried again.`,
    );
  }
  try {
    return await work();
  } finally {
    child.stdin.end();
    await ended;
  }
}
