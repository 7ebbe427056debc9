const IMAGES: Readonly<Record<string, string>> = {
  png: 'image/png',
  jpg: 'image/jpeg',
  jpeg: 'image/jpeg',
  gif: 'image/gif',
  webp: 'image/webp',
  ico: 'image/x-icon',
};

/** A NUL this early makes a file binary, as git judges it. */
const SNIFFED_BYTES = 8_000;

export type Content =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'image'; readonly mime: string }
  | { readonly kind: 'binary' };

/** How a file's bytes are shown. Text is UTF-8 that survives being saved again. */
export function classify(path: string, bytes: Uint8Array): Content {
  const mime = IMAGES[path.slice(path.lastIndexOf('.') + 1).toLowerCase()];
  if (mime !== undefined && bytes.length > 0) return { kind: 'image', mime };
  if (bytes.subarray(0, SNIFFED_BYTES).includes(0)) return { kind: 'binary' };
  try {
    return { kind: 'text', text: new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes) };
  } catch {
    return { kind: 'binary' };
  }
}
