import { PublicError } from '@clarateach/contract/errors';

/** Node names no EDQUOT: it arrives as a number. */
const EDQUOT = -122;

export function isNoSpace(error: unknown): boolean {
  const { code, errno } = error as NodeJS.ErrnoException;
  return code === 'ENOSPC' || code === 'EDQUOT' || errno === EDQUOT;
}

/** What the system says of a path, in the words of the contract; anything else as it is. */
export function asPublicError(error: unknown): unknown {
  if (error instanceof PublicError || !(error instanceof Error)) return error;
  const say = (code: ConstructorParameters<typeof PublicError>[0], message: string) =>
    new PublicError(code, message, { cause: error });
  if (isNoSpace(error)) {
    return say(
      'no_space',
      'The disk of this seat is full. Nothing was changed; remove some files and try again.',
    );
  }
  switch ((error as NodeJS.ErrnoException).code) {
    case 'ENOENT':
      return say('not_found', 'There is no file or directory at this path.');
    case 'ENOTDIR':
      return say('not_found', 'A part of this path is a file, not a directory.');
    case 'EISDIR':
      return say('invalid_input', 'This path is a directory, not a file.');
    case 'EEXIST':
    case 'ENOTEMPTY':
      return say(
        'already_exists',
        'There is something of this name already. Choose another name, or remove it first.',
      );
    case 'ELOOP':
      return say('path_outside_workspace', 'This path is a symbolic link that leads out of the workspace.');
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return say('forbidden', 'The permissions of this file or directory do not allow it.');
    case 'ENAMETOOLONG':
      return say('invalid_input', 'A name in this path is too long.');
    case 'EFBIG':
      return say('too_large', 'The file is larger than this seat allows.');
    case 'EINVAL':
      return say('invalid_input', 'A directory cannot be moved into itself.');
    case 'EBUSY':
    case 'ETXTBSY':
      return say('conflict', 'The file is in use. Try again in a moment.');
    default:
      return error;
  }
}
