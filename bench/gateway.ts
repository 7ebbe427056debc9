import { fork } from 'node:child_process';
import { generateKeyPairSync, sign } from 'node:crypto';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { CODE_ALPHABET } from '@clarateach/contract/codes';
import { type Odehash, seatName, type WorkshopId } from '@clarateach/contract/ids';
import { TOKEN_AUDIENCE, TOKEN_ISSUER } from '@clarateach/contract/token';

const WORKSHOP = 'ws-bench234' as WorkshopId;

/** The gateway in a process of its own, with a token for each of its seats. */
export interface GatewayProcess {
  readonly pid: number;
  readonly port: number;
  /** `/debug/proxy/…/vm/<seat>` and a token that it lets pass. */
  seat(number: number): { readonly path: string; readonly token: string };
  /** Takes the seat from its learner, as a removal does. */
  free(number: number): void;
  stop(): Promise<void>;
}

/** Seats 1 to `seats`, all behind `3001.sock` and `3002.sock` of the directory. */
export async function startGateway(directory: string, seats: number): Promise<GatewayProcess> {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const holders = Array.from({ length: seats }, (_, index) => odehash(index));
  const plan = {
    workshop: WORKSHOP,
    directory,
    publicKey: publicKey.export({ type: 'spki', format: 'pem' }),
    holders,
  };
  const child = fork(
    fileURLToPath(new URL('./gateway-process.ts', import.meta.url)),
    [JSON.stringify(plan)],
    {
      stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
    },
  );
  if (!child.stdout) throw new Error('The gateway has no output.');
  const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
  const { port } = JSON.parse(line) as { port: number };
  const tokens = holders.map((holder, index) => {
    const now = Math.floor(Date.now() / 1000);
    const claims = {
      ...{ iss: TOKEN_ISSUER, aud: TOKEN_AUDIENCE, iat: now, exp: now + 3600, jti: `j${index}` },
      ...{ workshopId: WORKSHOP, seat: index + 1, odehash: holder, vmIp: '' },
      containerId: seatName({ workshop: WORKSHOP, seat: index + 1 }),
    };
    const text = [{ alg: 'RS256', typ: 'JWT', kid: 'bench' }, claims]
      .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
      .join('.');
    return `${text}.${sign('RSA-SHA256', Buffer.from(text), privateKey).toString('base64url')}`;
  });
  return {
    pid: child.pid as number,
    port,
    seat: (number) => ({
      path: `/debug/proxy/${WORKSHOP}/vm/${number}`,
      token: tokens[number - 1] as string,
    }),
    free: (number) => void child.send({ freed: number }),
    async stop() {
      child.kill('SIGTERM');
      if (child.exitCode === null) await once(child, 'exit');
    },
  };
}

function odehash(index: number): Odehash {
  let left = index;
  let text = '';
  for (let place = 0; place < 8; place++) {
    text += CODE_ALPHABET[left % CODE_ALPHABET.length];
    left = Math.floor(left / CODE_ALPHABET.length);
  }
  return text as Odehash;
}
