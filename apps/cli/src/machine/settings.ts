import { ConfigError } from '@clarateach/contract/settings';
import { type Config, readConfig } from '@clarateach/server/config';
import { DEFAULT_DATA_DIRECTORY } from '../commands/database-options.ts';
import type { Check } from './checks.ts';

/** What a start would go by. */
export interface Settings {
  readonly port: number;
  readonly host: string;
  readonly dataDirectory: string;
  readonly imagesDirectory: string;
}

/** What `up` would go by with these options; where a setting is wrong, which, and what the defaults are. */
export function checkSettings(options: { readonly port?: number; readonly data?: string }): {
  readonly settings: Settings;
  readonly check: Check;
} {
  const said = {
    ...(options.port === undefined ? {} : { PORT: String(options.port) }),
    DATA_DIR: options.data ?? (process.env.DATA_DIR?.trim() || DEFAULT_DATA_DIRECTORY),
  };
  const check = { name: 'settings', ok: true, detail: 'can be read', remedy: '' };
  try {
    return { settings: settingsOf(readConfig({ ...process.env, ...said })), check };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return {
      settings: settingsOf(readConfig(said)),
      check: { ...check, ok: false, detail: 'wrong', remedy: error.message.replaceAll(/\s*\n\s*/g, ' ') },
    };
  }
}

function settingsOf({ port, host, dataDirectory, microvm }: Config): Settings {
  return { port, host, dataDirectory, imagesDirectory: microvm.imagesDirectory };
}
