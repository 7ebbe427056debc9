/**
 * The gateway alone, over seats that all lie behind the sockets of one directory. Started by
 * gateway.ts with its plan as the only argument; tells its port as one line of JSON, and frees a seat that it is told to.
 */
import { createPublicKey } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Odehash, seatName, type WorkshopId } from '@clarateach/contract/ids';
import { createGateway } from '@clarateach/gateway/gateway';
import type { SeatRoute } from '@clarateach/gateway/ports';

interface Plan {
  readonly workshop: WorkshopId;
  readonly directory: string;
  readonly publicKey: string;
  readonly holders: readonly Odehash[];
}

const { workshop, directory, publicKey, holders } = JSON.parse(process.argv[2] ?? '') as Plan;
const key = createPublicKey(publicKey);
const known = new Map<string, SeatRoute>();
const listeners = new Set<(id: SeatRoute['id']) => void>();
holders.forEach((holder, index) => {
  const id = { workshop, seat: index + 1 };
  known.set(seatName(id), { id, endpoint: { kind: 'unix', directory }, holder });
});

const gateway = createGateway({
  routes: {
    find: (id) => known.get(seatName(id)),
    refresh: async (id) => known.get(seatName(id)),
    onChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  },
  keys: { find: () => key },
  allowedOrigins: [],
});
const server = createServer((req, res) => gateway.request(req, res));
server.on('upgrade', (req, socket, head) => gateway.upgrade(req, socket, head));
server.listen(0, '127.0.0.1', () => {
  console.log(JSON.stringify({ port: (server.address() as AddressInfo).port }));
});

process.on('message', ({ freed }: { freed: number }) => {
  const id = { workshop, seat: freed };
  known.set(seatName(id), { id, endpoint: { kind: 'unix', directory }, holder: undefined });
  for (const listener of listeners) listener(id);
});
process.once('SIGTERM', async () => {
  await gateway.close();
  server.closeAllConnections();
  server.close();
  process.disconnect?.();
});
