/**
 * The terminal, the editor and other libraries make style elements of their own. The content security
 * policy lets only those with the page's nonce act, so each gets it; markup that somebody smuggles in cannot.
 */
const nonce = document.querySelector<HTMLMetaElement>('meta[property="csp-nonce"]')?.nonce;

if (nonce) {
  const create = document.createElement;
  document.createElement = function createWithNonce(this: Document, name: string, options?: object) {
    const element = create.call(this, name, options);
    if (element instanceof HTMLStyleElement) element.nonce = nonce;
    return element;
  } as typeof document.createElement;
}
