import type { JoinInfo } from '@clarateach/contract/join';
import { Notice } from '../ui/notice.tsx';

interface NotAdmittedProps {
  readonly info: JoinInfo;
  readonly registration: NonNullable<JoinInfo['registration']>;
}

/** Why an access code does not open the workshop now, and what would change that. */
export function NotAdmitted({ info, registration }: NotAdmittedProps) {
  if (registration.state === 'waiting') {
    return (
      <Notice tone="warn">
        <strong>
          {registration.name}, you are number {registration.place} on the waiting list.
        </strong>{' '}
        You move up by yourself when a place becomes free, and this page then goes on. Keep your access code.
      </Notice>
    );
  }
  if (registration.state === 'cancelled') {
    return (
      <Notice tone="bad">
        <strong>Your registration was cancelled.</strong> If that is a mistake, talk to your instructor.
      </Notice>
    );
  }
  return (
    <Notice tone="warn">
      <strong>{info.workshop.name} is for people on the instructor's list.</strong> Your registration is not
      on it. Ask them to add you.
    </Notice>
  );
}
