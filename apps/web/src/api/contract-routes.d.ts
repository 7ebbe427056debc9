declare module 'virtual:contract-routes' {
  export const routes: typeof import('@clarateach/contract/api').api;
}
