import type { WorkshopRow } from '../workshops/store.ts';
import { accessCodeLetter, type MailMessage, movedUpLetter, type SendMail } from './letters.ts';
import type { RegistrationRow } from './store.ts';

/** What learners are written about their registrations, where they gave an address. */
export interface RegistrationMail {
  /** Whether this server can send e-mail. */
  readonly canSend: boolean;
  /** Where an access code is used. */
  joinUrl(accessCode: string): string;
  /** Whether it was sent. */
  accessCode(workshop: WorkshopRow, registration: RegistrationRow): Promise<boolean>;
  /** Writes to those who have a place now. */
  movedUp(workshop: WorkshopRow, registrations: readonly RegistrationRow[]): Promise<void>;
}

export function createRegistrationMail(deps: {
  readonly publicUrl: string;
  /** Undefined where the server cannot send e-mail. */
  readonly sendMail: SendMail | undefined;
  readonly onError: (error: unknown) => void;
}): RegistrationMail {
  const { publicUrl, sendMail, onError } = deps;
  const joinUrl = (accessCode: string) => `${publicUrl}/join/${accessCode}`;

  /** What could not be sent is in the log, and the code is on the page. */
  const send = async ({ email }: RegistrationRow, letter: Omit<MailMessage, 'to'>): Promise<boolean> => {
    if (!sendMail || email === null) return false;
    try {
      await sendMail({ to: email, ...letter });
      return true;
    } catch (error) {
      onError(error);
      return false;
    }
  };
  const letterOf = (workshop: WorkshopRow, registration: RegistrationRow) => ({
    workshop,
    registration,
    joinUrl: joinUrl(registration.accessCode),
  });

  return {
    canSend: sendMail !== undefined,
    joinUrl,
    accessCode: (workshop, row) => send(row, accessCodeLetter(letterOf(workshop, row))),
    async movedUp(workshop, rows) {
      for (const row of rows) await send(row, movedUpLetter(letterOf(workshop, row)));
    },
  };
}
