/**
 * A server or an agent whose seats are ready at once and lie behind the sockets of one directory: what is
 * measured is how soon it shuts somebody out. Started by revocation.ts with `server` or `agent` and the
 * directory; tells its address, and a server its sign-in link, as one line of JSON.
 */
import { readAgentConfig } from '@clarateach/agent/config';
import { createAgent } from '@clarateach/agent/main';
import { instantProvider } from '@clarateach/seats/providers/doubles';
import { readConfig } from '@clarateach/server/config';
import { createServer } from '@clarateach/server/main';

const [program, directory = ''] = process.argv.slice(2);
const seatsOfItsOwn = () => instantProvider({ endpoint: () => ({ kind: 'unix', directory }) });

async function start(): Promise<{ url: string; signIn?: string | undefined; close(): Promise<void> }> {
  if (program === 'agent') {
    return createAgent(readAgentConfig(process.env), { provider: seatsOfItsOwn(), log: () => {} });
  }
  const config = readConfig(process.env);
  const { url, signInUrl, close } = await createServer(
    config,
    config.workers.length > 0 ? {} : { providers: new Map([['local', seatsOfItsOwn()]]) },
  );
  return { url, signIn: signInUrl, close };
}

const running = await start();
console.log(JSON.stringify({ url: running.url, signIn: running.signIn }));
process.once('SIGTERM', () => void running.close());
