/**
 * The control plane over a PostgreSQL, with seats that are ready at once and cost nothing: what is
 * measured is joining. Started by join-burst.ts; tells it its address and sign-in link as one line of JSON.
 */
import { instantProvider } from '@clarateach/seats/providers/doubles';
import { readConfig } from '@clarateach/server/config';
import { createServer } from '@clarateach/server/main';

const server = await createServer(readConfig(process.env), {
  providers: new Map([['local', instantProvider()]]),
});
console.log(JSON.stringify({ url: server.url, signIn: server.signInUrl }));
process.once('SIGTERM', () => {
  void server.close();
});
