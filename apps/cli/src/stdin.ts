import { text } from 'node:stream/consumers';

/** All of standard input; a person at a keyboard ends it with Ctrl-D. */
export function readStdin(): Promise<string> {
  return text(process.stdin);
}
