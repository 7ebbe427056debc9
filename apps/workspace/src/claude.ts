import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** claude remembers which keys it may use by their last characters. */
const REMEMBERED = 20;

/**
 * What the `claude` CLI needs to use the workshop's own API key: its own name for it, and, in a home that
 * has no settings of claude's yet, settings that keep it from asking about the key at its first start.
 * Returns the variables to add.
 */
export function prepareClaude(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const { CLAUDE_API_KEY: key, ANTHROPIC_API_KEY: own = key, HOME: home } = env;
  if (!key) return {};
  if (home !== undefined) {
    const settings = {
      hasCompletedOnboarding: true,
      customApiKeyResponses: { approved: [key.slice(-REMEMBERED)], rejected: [] },
    };
    try {
      // `wx`: a learner's own settings are left alone.
      writeFileSync(join(home, '.claude.json'), `${JSON.stringify(settings)}\n`, { mode: 0o600, flag: 'wx' });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') {
        console.error(`claude will ask about its key: ${(error as Error).message}`);
      }
    }
  }
  return { ANTHROPIC_API_KEY: own };
}
