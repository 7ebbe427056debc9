import { api } from '@clarateach/contract/api';
import { minifyContractRouter } from '@orpc/contract';
import type { Plugin } from 'vite';

const ID = 'virtual:contract-routes';

/** The contract's methods and paths without its schemas: all that a client needs at run time. */
export function contractRoutes(): Plugin {
  return {
    name: 'clarateach:contract-routes',
    resolveId: (id) => (id === ID ? `\0${ID}` : null),
    load: (id) =>
      id === `\0${ID}` ? `export const routes = ${JSON.stringify(minifyContractRouter(api))};` : null,
  };
}
