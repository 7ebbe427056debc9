import { Notice } from '../ui/notice.tsx';
import type { Entering } from './use-enter.ts';

/** Why a seat was not given. */
export function EntryError({ entering }: { readonly entering: Entering }) {
  const { error, waitSeconds } = entering;
  if (error === undefined) return null;
  switch (error.code) {
    case 'too_many_attempts':
      return waitSeconds > 0 ? (
        <Notice tone="warn">
          Too many attempts. You can try again in <strong>{waitSeconds} s</strong>.
        </Notice>
      ) : (
        <Notice tone="good">You can try again now.</Notice>
      );
    case 'removed':
      return (
        <Notice tone="bad">
          <strong>You were removed from this workshop.</strong> Talk to your instructor if that is a mistake.
        </Notice>
      );
    case 'registration_required':
    case 'on_waiting_list':
      return <Notice tone="warn">{error.message}</Notice>;
    case 'workshop_full':
      return (
        <Notice tone="warn">
          <strong>This workshop is full.</strong> The last seat was just taken. Tell your instructor, or use
          your return code if you had a seat.
        </Notice>
      );
    default:
      return <Notice tone="bad">{error.message}</Notice>;
  }
}
