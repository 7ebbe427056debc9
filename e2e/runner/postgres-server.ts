import { startPostgresServer } from '@clarateach/server/store/testing';

/** A PostgreSQL server that lives as long as whoever started this program: says its URL, ends when standard input does. */
const server = await startPostgresServer();
process.stdout.write(`${server.url}\n`);
process.stdin.resume().on('end', () => server.stop());
