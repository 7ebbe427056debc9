import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { type FileHandle, open } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { ProviderError } from '../../provider.ts';

/** Of Debian's essential packages; Node itself cannot make a memory file. */
const PERL = 'perl';
/**
 * Copies a file into memory that nobody can change any more, and holds it until it is told to let go.
 * Only a sealed memory file does that: QEMU opens what it maps for writing, so a guest that has taken
 * over its QEMU could otherwise write into the memory of every other copy. Zeros take up no room.
 */
const HOLD = `use strict;
open(my $from, '<:raw', $ARGV[0]) or die "cannot read: $!";
my $fd = syscall(319, my $name = "clarateach-guest", 2);  # memfd_create, MFD_ALLOW_SEALING
die "cannot have a memory file: $!" if $fd < 0;
open(my $to, '+<:raw', "/proc/self/fd/$fd") or die "cannot write: $!";
truncate($to, -s $from) or die "cannot size: $!";
my ($block, $zeros, $at) = ('', "\\0" x 65536, 0);
while (my $read = sysread($from, $block, 65536)) {
  if ($block ne substr($zeros, 0, $read)) {
    sysseek($to, $at, 0);
    syswrite($to, $block) == $read or die "cannot write: $!";
  }
  $at += $read;
}
fcntl($to, 1033, 15) or die "cannot seal: $!";  # F_ADD_SEALS: seal, shrink, grow, write
$| = 1;
print "$fd\\n";
<STDIN>;`;

/** A sealed copy of the file in memory, as long as the handle is open; others open it by `/proc/self/fd`. */
export async function sealedCopy(path: string): Promise<FileHandle> {
  const child = spawn(PERL, ['-e', HOLD, path], { stdio: ['pipe', 'pipe', 'pipe'] });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text));
  child.stdin.on('error', () => {});
  const ended = once(child, 'close');
  ended.catch(() => {});
  try {
    const line = once(createInterface({ input: child.stdout }), 'line') as Promise<[string]>;
    const [fd] = await Promise.race([
      line,
      ended.then((): never => {
        throw new Error(said.trim() || 'perl ended');
      }),
    ]);
    return await open(`/proc/${child.pid}/fd/${fd}`, 'r');
  } catch (cause) {
    throw new ProviderError(
      'unreachable',
      `The memory of a saved guest cannot be held (${(cause as Error).message}).`,
      { cause },
    );
  } finally {
    child.stdin.end();
    await ended.catch(() => {});
  }
}
