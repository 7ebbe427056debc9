import { once } from 'node:events';
import { createServer } from 'node:http';
import { Provider } from 'oidc-provider';
import { freePort } from './free-port.ts';

export const OIDC_CLIENT = { id: 'clarateach-test', secret: 'a secret of the tests, 32 letters' };

export interface IssuerPerson {
  readonly sub: string;
  readonly email: string;
  readonly email_verified: boolean;
  readonly name: string;
}

/** A real OpenID Connect provider on the loopback interface, at which `person` is signed in. */
export interface TestIssuer extends AsyncDisposable {
  readonly url: string;
  /** Who the browser is at the issuer from now on; undefined: they refuse to go on. */
  become(person: IssuerPerson | undefined): void;
  /** Parameters of the requests for authorization, in their order. */
  readonly asked: readonly URLSearchParams[];
}

/** `redirectUri`: where it sends people back to. PKCE is required of the client. */
export async function testIssuer(redirectUri: () => string): Promise<TestIssuer> {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const asked: URLSearchParams[] = [];
  let person: IssuerPerson | undefined;
  let provider: Provider | undefined;
  /** Made at the first request: only then is the client's address known. */
  const open = () => {
    provider ??= new Provider(url, {
      clients: [
        {
          client_id: OIDC_CLIENT.id,
          client_secret: OIDC_CLIENT.secret,
          redirect_uris: [redirectUri()],
          response_types: ['code'],
          grant_types: ['authorization_code'],
        },
      ],
      pkce: { required: () => true },
      claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name'] },
      // As Google does: what the scopes name stands in the ID token.
      conformIdTokenClaims: false,
      features: { devInteractions: { enabled: false } },
      interactions: { url: (_ctx, interaction) => `/interaction/${interaction.uid}` },
      findAccount: (_ctx, id) => ({
        accountId: id,
        claims: async () => (person ? { ...person } : { sub: id }),
      }),
      cookies: { keys: ['keys of the tests'] },
    });
    return provider;
  };
  const server = createServer(async (request, response) => {
    const at = new URL(request.url ?? '/', url);
    if (!at.pathname.startsWith('/interaction/')) {
      if (at.pathname === '/auth') asked.push(at.searchParams);
      open().callback()(request, response);
      return;
    }
    const { params, prompt } = await open().interactionDetails(request, response);
    if (!person) {
      await open().interactionFinished(request, response, {
        error: 'access_denied',
        error_description: 'They changed their mind.',
      });
      return;
    }
    if (prompt.name === 'login') {
      await open().interactionFinished(request, response, { login: { accountId: person.sub } });
      return;
    }
    const grant = new (open().Grant)({ accountId: person.sub, clientId: String(params.client_id) });
    grant.addOIDCScope(String(params.scope));
    await open().interactionFinished(request, response, { consent: { grantId: await grant.save() } });
  }).listen(port, '127.0.0.1');
  await once(server, 'listening');
  return {
    url,
    asked,
    become: (next) => {
      person = next;
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
