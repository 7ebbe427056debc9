import { z } from 'zod';

/** The files API of a seat, under `<base>/vm/<seat>/files`; paths are relative to `/workspace`. */
export const fileEntry = z.object({
  name: z.string(),
  type: z.enum(['file', 'directory', 'symlink']),
  size: z.number(),
  mtimeMs: z.number(),
  /** Permission bits, as `stat` gives them: `0o644` is 420. */
  mode: z.number(),
});
export type FileEntry = z.infer<typeof fileEntry>;

export const fileList = z.object({ entries: z.array(fileEntry) });

/** What a watcher is told, within 200 ms; `overflow` means: list again, changes were too many. */
export const fileChange = z.object({
  type: z.literal('change'),
  path: z.string(),
  kind: z.enum(['created', 'modified', 'deleted', 'overflow']),
});
export type FileChange = z.infer<typeof fileChange>;

/** `POST <base>/vm/<seat>/preview` */
export const previewRequest = z.object({ port: z.number().int().min(1).max(65535) });
