import type { WriteCondition } from '../files/seat-files.ts';
import { classify } from './file-kind.ts';

interface Tab {
  /** Stays when the file gets another path. */
  readonly id: number;
  readonly path: string;
}
/** A file in a tab. `text` is what the editor has, `savedText` what the seat had under `etag`. */
export interface TextFile extends Tab {
  readonly kind: 'text';
  readonly text: string;
  readonly savedText: string;
  readonly etag: string;
  readonly saving: boolean;
  /** `changed` or `deleted` in the seat since it was read, while there are edits here. */
  readonly onDisk: 'same' | 'changed' | 'deleted';
  /** A save was refused because the seat has another version: the person decides. */
  readonly conflict: boolean;
}
export type OpenFile =
  | TextFile
  | (Tab & { readonly kind: 'loading' })
  | (Tab & { readonly kind: 'binary'; readonly size: number })
  | (Tab & { readonly kind: 'image'; readonly bytes: Uint8Array<ArrayBuffer>; readonly mime: string })
  | (Tab & { readonly kind: 'large'; readonly size: number })
  | (Tab & { readonly kind: 'failed'; readonly message: string });

/** Beyond this an editor in a browser is no pleasure; the terminal's editors are. */
export const MAX_EDITOR_BYTES = 4 * 1024 * 1024;

export const isDirty = (file: OpenFile): boolean =>
  file.kind === 'text' && (file.text !== file.savedText || file.onDisk === 'deleted');

/** A save goes over the version that was read, or brings a deleted file back. */
export const conditionOf = ({ onDisk, etag }: TextFile): WriteCondition =>
  onDisk === 'deleted' ? 'create' : { ifMatch: etag };

/** A tab with what was read for it. */
export function contentOf({ id, path }: OpenFile, bytes: Uint8Array<ArrayBuffer>, etag: string): OpenFile {
  if (bytes.length > MAX_EDITOR_BYTES) return { kind: 'large', id, path, size: bytes.length };
  const content = classify(path, bytes);
  switch (content.kind) {
    case 'text': {
      const { text } = content;
      return {
        ...{ kind: 'text', id, path, text, savedText: text, etag },
        ...{ saving: false, onDisk: 'same', conflict: false },
      };
    }
    case 'image':
      return { kind: 'image', id, path, bytes, mime: content.mime };
    case 'binary':
      return { kind: 'binary', id, path, size: bytes.length };
  }
}
