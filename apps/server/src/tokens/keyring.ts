import type { SecretSource } from './secret-source.ts';

/** How soon a running server knows a secret that was added to its source. */
export const KEYRING_LOOK_MS = 1_000;

/** The installation's secrets in memory, as their source says them now. */
export interface Keyring {
  /** The newest first. */
  secrets(): readonly string[];
  close(): Promise<void>;
}

/** Throws what {@link SecretSource.read} throws. */
export async function openKeyring(deps: {
  readonly source: SecretSource;
  readonly onError: (error: unknown) => void;
}): Promise<Keyring> {
  const { source } = deps;
  let secrets = await source.read();
  let looking: Promise<void> = Promise.resolve();
  let failing = false;

  const look = async (): Promise<void> => {
    try {
      secrets = await source.read();
      failing = false;
    } catch (error) {
      // What is in memory goes on working; reported once.
      if (!failing) deps.onError(error);
      failing = true;
    }
  };
  const timer = source.changes
    ? setInterval(() => {
        looking = look();
      }, KEYRING_LOOK_MS).unref()
    : undefined;
  return {
    secrets: () => secrets,
    async close() {
      clearInterval(timer);
      await looking;
    },
  };
}
