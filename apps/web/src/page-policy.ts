/** What has to be so before anything else runs, for the page to keep to its content security policy. */

// zod reads its settings here. It tries whether it may compile code, which the policy forbids and reports.
Object.assign(globalThis, { __zod_globalConfig: { jitless: true } });

// The terminal, the editor and other libraries make style elements of their own. Only those with the
// page's nonce act, so each gets it; markup that somebody smuggles in has none.
const nonce = document.querySelector<HTMLMetaElement>('meta[property="csp-nonce"]')?.nonce;
if (nonce) {
  const create = document.createElement;
  document.createElement = function createWithNonce(this: Document, name: string, options?: object) {
    const element = create.call(this, name, options);
    if (element instanceof HTMLStyleElement) element.nonce = nonce;
    return element;
  } as typeof document.createElement;
}
