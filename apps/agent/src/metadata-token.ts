import type { Environment } from '@clarateach/contract/settings';

const METADATA_ADDRESS = '169.254.169.254';
const TOKEN_PATH = '/computeMetadata/v1/instance/attributes/agent-token';
const ANSWER_MS = 1_000;

/**
 * The environment with the `AGENT_TOKEN` that this machine's maker gave it: the attribute `agent-token` of a Google Cloud
 * instance, asked for only where the environment has none. `GCE_METADATA_HOST` names another address, as for
 * Google's own libraries. A machine outside of that cloud has no such address, and the environment stays as it is.
 */
export async function withMetadataToken(env: Environment): Promise<Environment> {
  if ((env.AGENT_TOKEN?.trim() ?? '') !== '') return env;
  const token = await metadataToken(env.GCE_METADATA_HOST?.trim() || METADATA_ADDRESS);
  return token === undefined ? env : { ...env, AGENT_TOKEN: token };
}

async function metadataToken(host: string): Promise<string | undefined> {
  const flavor = { 'metadata-flavor': 'Google' };
  try {
    const response = await fetch(`http://${host}${TOKEN_PATH}`, {
      headers: flavor,
      redirect: 'error',
      signal: AbortSignal.timeout(ANSWER_MS),
    });
    const text = (await response.text()).trim();
    // Whatever else answers at that address, such as a captive portal, does not name itself so.
    const isMetadata = response.headers.get('metadata-flavor') === flavor['metadata-flavor'];
    return response.ok && isMetadata && text !== '' ? text : undefined;
  } catch {
    return undefined;
  }
}
