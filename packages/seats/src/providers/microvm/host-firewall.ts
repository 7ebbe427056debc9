import { runProgram } from './run-program.ts';

/**
 * A firewall that forwards nothing by itself, such as Docker's, must let the seats' packets pass;
 * what they may not reach is dropped before it is asked. `mark` says whose rules these are.
 */
export async function passFirewall(name: string, mark: string): Promise<void> {
  const chain = await forwardChain();
  if (chain === undefined) return;
  const note = ['-m', 'comment', '--comment', mark, '-j', 'ACCEPT'];
  for (const match of [
    ['-i', name],
    ['-o', name, '-m', 'conntrack', '--ctstate', 'RELATED,ESTABLISHED'],
  ]) {
    const there = await iptables(['-C', chain, ...match, ...note]);
    if (!there) await iptables(['-I', chain, ...match, ...note]);
  }
}

/** All that bear the mark, whatever bridge they were for. */
export async function forgetFirewall(mark: string): Promise<void> {
  const chain = await forwardChain();
  if (chain === undefined) return;
  const rules = await runProgram('iptables', ['-w', '-S', chain]).catch(() => '');
  for (const rule of rules.split('\n')) {
    const [append, ...rest] = rule.split(' ');
    if (append === '-A' && rest.includes(mark)) await iptables(['-D', ...rest]);
  }
}

/** Where the host's firewall asks before it drops what it does not know; undefined when it drops nothing. */
async function forwardChain(): Promise<string | undefined> {
  const rules = await runProgram('iptables', ['-w', '-S', 'FORWARD']).catch(() => '');
  if (/-j DOCKER-USER\b/.test(rules)) return 'DOCKER-USER';
  return /^-P FORWARD DROP/m.test(rules) ? 'FORWARD' : undefined;
}

async function iptables(args: readonly string[]): Promise<boolean> {
  return runProgram('iptables', ['-w', ...args]).then(
    () => true,
    () => false,
  );
}
