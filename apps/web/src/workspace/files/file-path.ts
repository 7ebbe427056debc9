/** Paths of a seat: relative to `/workspace`, with `/` between names; the root is the empty string. */

export function joinPath(directory: string, name: string): string {
  return directory === '' ? name : `${directory}/${name}`;
}

export function parentOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf('/')));
}

export function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

/** Whether `path` is `ancestor` or lies below it. */
export function isWithin(path: string, ancestor: string): boolean {
  return ancestor === '' || path === ancestor || path.startsWith(`${ancestor}/`);
}

/** Where `path` is after `from` was renamed to `to`. */
export function movedPath(path: string, from: string, to: string): string {
  return isWithin(path, from) ? to + path.slice(from.length) : path;
}

/** What is wrong with a new name, for the person who types it; undefined when nothing is. */
export function nameProblem(name: string, taken: readonly string[]): string | undefined {
  if (name === '') return 'Type a name.';
  if (name === '.' || name === '..' || name.includes('\0')) return 'That is not a name for a file.';
  if (new TextEncoder().encode(name).length > 255) return 'The name is too long.';
  if (
    name.startsWith('/') ||
    name.endsWith('/') ||
    name.split('/').some((part) => part === '..' || part === '')
  ) {
    return 'A name cannot begin or end with a slash.';
  }
  return taken.includes(name) ? `“${name}” exists here already.` : undefined;
}
