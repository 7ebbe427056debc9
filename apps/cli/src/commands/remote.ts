import { Command, Option } from 'commander';
import { type ApiAddress, type ApiClient, apiClient, describeApiError } from '../api-client.ts';
import type { Output } from '../output.ts';

/** What every command that asks a server needs. */
export interface RemoteOptions {
  readonly url: string;
  readonly token?: string;
  readonly json?: boolean;
}

export function remoteCommand(name: string, description: string): Command {
  return new Command(name)
    .description(description)
    .addOption(
      new Option('--url <url>', 'address of the server')
        .env('CLARATEACH_URL')
        .default('http://localhost:8080'),
    )
    .addOption(new Option('--token <token>', 'API token').env('CLARATEACH_TOKEN'))
    .option('--json', 'print JSON');
}

/** Runs `work` with a client, and turns what the API refuses into a command's error. */
export async function withServer(
  options: RemoteOptions,
  work: (client: ApiClient) => Promise<void>,
): Promise<void> {
  const address: ApiAddress = { url: options.url, token: options.token };
  try {
    await work(apiClient(address));
  } catch (error) {
    throw describeApiError(error, address);
  }
}

/** Prints `value` as JSON when that is asked for, else what `human` writes. */
export function print(output: Output, options: { json?: boolean }, value: unknown, human: () => void): void {
  if (options.json) output.json(value);
  else human();
}
