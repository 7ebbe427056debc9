import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';
import { contractRoutes } from './build/contract-routes.ts';
import { firstIcons } from './build/first-icons.ts';
import { precompress } from './build/precompress.ts';
import { swapOutput } from './build/swap-output.ts';
import { withoutZod } from './build/without-zod.ts';

/** Where `npm run dev` finds the API. */
const server = process.env.CLARATEACH_SERVER ?? 'http://localhost:8080';

const SHARED =
  /lucide-react\/(?!.*\/icons\/)|contract\/src\/codes\.|src\/api\/(api-error|learner|reach)\.|src\/join\/(browser-seats|saved-seats)\.|src\/ui\/(clipboard|copy-button|duration|field|form|icon-button|logo|notice|spinner|theme|theme-toggle|time|toast)\./;
/** What the workspace and its editor, which comes later, have in common. */
const SEAT = /src\/workspace\/(files\/file-path|editor\/open-files?)\./;

const isFirstIcon = firstIcons();

export default defineConfig({
  plugins: [react(), contractRoutes(), withoutZod(), precompress(), swapOutput()],
  worker: { format: 'es' },
  // The server puts the nonce of each answer in its place.
  html: { cspNonce: '__CSP_NONCE__' },
  build: {
    target: ['chrome123', 'firefox128', 'safari17.5'],
    // A `data:` URL would need an exception in the content security policy.
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 4096,
    rolldownOptions: {
      output: {
        // Every file costs its headers: small things that most pages share come as one.
        codeSplitting: {
          groups: [
            { name: 'shared', test: (id) => SHARED.test(id) || isFirstIcon(id) },
            { name: 'icons', test: /lucide-react/ },
            { name: 'seat', test: SEAT },
          ],
        },
      },
      // Plain schemas have no effects, and go where nothing uses them; those that are made of others stay.
      treeshake: { manualPureFunctions: ['z'] },
    },
  },
  server: {
    proxy: {
      '/api': server,
      '/debug': { target: server, ws: true },
    },
  },
});
