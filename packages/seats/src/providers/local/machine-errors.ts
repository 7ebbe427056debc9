import { ProviderError } from '../../provider.ts';

const FULL = new Set(['ENOSPC', 'EDQUOT', 'EMFILE', 'ENFILE', 'EAGAIN', 'ENOMEM']);
const FORBIDDEN = new Set(['EACCES', 'EPERM', 'EROFS']);

/** Turns what the machine says into the port's error. */
export async function explained<T>(doing: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const { code, path, message } = error as NodeJS.ErrnoException;
    if (error instanceof ProviderError || typeof code !== 'string') throw error;
    if (FULL.has(code))
      throw new ProviderError('capacity', `This machine has no room to ${doing} (${message}).`, {
        cause: error,
      });
    if (FORBIDDEN.has(code))
      throw new ProviderError(
        'rejected',
        `This user may not ${doing}: ${path ?? 'a file'} belongs to another user. Start the server as that user, or give the files to this one.`,
        { cause: error },
      );
    throw new ProviderError('unreachable', `This machine could not ${doing} (${message}).`, { cause: error });
  }
}
