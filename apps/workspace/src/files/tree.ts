import { closeSync, constants, lstatSync, mkdirSync, openSync, readlinkSync } from 'node:fs';
import { PublicError } from '@clarateach/contract/errors';

const { O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = constants;
/** As many links in one path as Linux itself follows. */
const MAX_LINKS = 40;
const MAX_PATH_BYTES = 4096;

/** `link`: the last component is taken as it is, a symbolic link included. `target`: it is followed. */
export type LastComponent = 'link' | 'target';

/** A directory that is held open, and a name in it. The name is never looked up through a symbolic link. */
export interface Place {
  /** Descriptor of the directory; `close` releases it. */
  readonly directory: number;
  /** Empty for the workspace itself. */
  readonly name: string;
  /** What system calls take: `/proc/self/fd/<directory>/<name>`. */
  readonly path: string;
  close(): void;
}

export function outside(): PublicError {
  return new PublicError(
    'path_outside_workspace',
    'This path leads out of the workspace. Give a path inside it, relative and without "..".',
  );
}

/** The components of a path as a client gives it; `path_outside_workspace` for one that can only lead out. */
export function components(path: string): string[] {
  if (path.includes('\0') || path.startsWith('/')) throw outside();
  if (Buffer.byteLength(path) > MAX_PATH_BYTES) {
    throw new PublicError('invalid_input', 'This path is too long.', { field: 'path' });
  }
  const parts = path.split('/').filter((part) => part !== '' && part !== '.');
  if (parts.includes('..')) throw outside();
  return parts;
}

/**
 * The files below one directory. Every path is walked component by component on open descriptors, none
 * of which the kernel reaches through a symbolic link: whoever swaps a directory for a link while a
 * request runs gains nothing. Links are read here, and followed as long as they stay inside.
 */
export class Tree {
  readonly #root: string;

  constructor(root: string) {
    this.#root = root.replace(/\/+$/, '');
  }

  /**
   * Finds the directory of `path`; the last component need not exist. With `makeParents`, directories
   * that are missing on the way are made. Throws `path_outside_workspace`, or the system's ENOENT and ENOTDIR.
   */
  place(path: string, options: { last: LastComponent; makeParents?: boolean }): Place {
    return this.#walk(components(path), options);
  }

  /** As {@link place}, below a place; for entries of archives, which follow no link at all. */
  placeBelow(parts: readonly string[], options: { makeParents: boolean }): Place {
    return this.#walk([...parts], { last: 'link', followNone: true, ...options });
  }

  /** Opens a directory; the caller closes the descriptor. */
  openDirectory(path: string): number {
    const place = this.place(path, { last: 'target' });
    try {
      return openSync(place.path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK);
    } finally {
      place.close();
    }
  }

  #walk(
    parts: string[],
    options: { last: LastComponent; makeParents?: boolean; followNone?: boolean },
  ): Place {
    const waiting = parts.reverse();
    const open = [openSync(this.#root, O_RDONLY | O_DIRECTORY)];
    let links = 0;
    const closeAbove = (keep: number) => {
      while (open.length > keep) closeSync(open.pop() as number);
    };
    try {
      for (;;) {
        const directory = open.at(-1) as number;
        const name = waiting.pop();
        if (name === undefined) return place(open, '');
        if (name === '..') {
          if (open.length === 1) throw outside();
          closeAbove(open.length - 1);
          continue;
        }
        const isLast = waiting.length === 0;
        if (isLast && options.last === 'link') return place(open, name);
        const path = `/proc/self/fd/${directory}/${name}`;
        const target = readLink(path);
        if (target !== undefined) {
          links += 1;
          if (options.followNone || links > MAX_LINKS) throw outside();
          const absolute = target.startsWith('/');
          if (absolute && target !== this.#root && !target.startsWith(`${this.#root}/`)) throw outside();
          if (absolute) closeAbove(1);
          const rest = absolute ? target.slice(this.#root.length) : target;
          waiting.push(
            ...rest
              .split('/')
              .filter((part) => part !== '' && part !== '.')
              .reverse(),
          );
          continue;
        }
        if (isLast) return place(open, name);
        open.push(enter(path, options.makeParents === true));
      }
    } catch (error) {
      closeAbove(0);
      throw error;
    }
  }
}

function place(open: number[], name: string): Place {
  const directory = open.at(-1) as number;
  let closed = false;
  return {
    directory,
    name,
    path: name === '' ? `/proc/self/fd/${directory}/.` : `/proc/self/fd/${directory}/${name}`,
    close: () => {
      if (closed) return;
      closed = true;
      for (const descriptor of open) closeSync(descriptor);
    },
  };
}

function readLink(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EINVAL' || code === 'ENOENT') return undefined;
    throw error;
  }
}

function enter(path: string, make: boolean): number {
  try {
    return openSync(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // It was no link a moment ago.
    if (code === 'ELOOP') throw outside();
    if (code === 'ENOTDIR' && isLink(path)) throw outside();
    if (code !== 'ENOENT' || !make) throw error;
  }
  try {
    mkdirSync(path, 0o777);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  return enter(path, false);
}

function isLink(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() ?? false;
}
