import { spacedAccessCode } from '@clarateach/contract/codes';
import type { RegistrationRow } from './store.ts';

/** An e-mail in plain text. */
export interface MailMessage {
  readonly to: string;
  readonly subject: string;
  readonly text: string;
}

/** Resolves once a mail server has taken the message. */
export type SendMail = (message: MailMessage) => Promise<void>;

interface Letter {
  readonly workshop: { readonly name: string };
  readonly registration: Pick<RegistrationRow, 'name' | 'accessCode' | 'state'>;
  readonly joinUrl: string;
}

/** The access code and where to use it; for who waits, that they wait. */
export function accessCodeLetter({ workshop, registration, joinUrl }: Letter): Omit<MailMessage, 'to'> {
  const waits = registration.state === 'waiting';
  return {
    subject: oneLine(`${waits ? 'Waiting list' : 'Your access code'}: ${workshop.name}`),
    text: [
      `Hello ${oneLine(registration.name)},`,
      waits
        ? `you are on the waiting list of "${workshop.name}". You move up by yourself when a place becomes free, and get another message then.`
        : `you are registered for "${workshop.name}". When it starts, come in with your personal access code.`,
      `Access code: ${spacedAccessCode(registration.accessCode)}`,
      `Page: ${joinUrl}`,
      'The code leads always to the same seat, from any browser. Keep it to yourself.',
    ].join('\n\n'),
  };
}

/** To somebody who waited. */
export function movedUpLetter({ workshop, registration, joinUrl }: Letter): Omit<MailMessage, 'to'> {
  return {
    subject: oneLine(`You have a place: ${workshop.name}`),
    text: [
      `Hello ${oneLine(registration.name)},`,
      `a place became free: you are registered for "${workshop.name}" now.`,
      `Access code: ${spacedAccessCode(registration.accessCode)}`,
      `Page: ${joinUrl}`,
    ].join('\n\n'),
  };
}

/** Names are typed by people, and a line break in a subject would be a header of its own. */
function oneLine(text: string): string {
  return text.replace(/\p{Cc}+/gu, ' ');
}
