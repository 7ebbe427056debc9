import type { Role } from '@clarateach/contract/account';
import type { Mail } from '../mail/mailer.ts';

const IGNORE = 'If this was not you, ignore this mail: nothing has changed.';

/** The mails that people get, as plain text. Names of people stay out of them: strangers choose their own. */
export const mails = {
  signIn: (to: string, link: string, minutes: number): Mail => ({
    to,
    subject: 'Sign in to ClaraTeach',
    text: paragraphs(`Open this link to sign in. It works once, for ${minutes} minutes.`, link, IGNORE),
  }),

  resetPassword: (to: string, link: string, minutes: number): Mail => ({
    to,
    subject: 'Set a new ClaraTeach password',
    text: paragraphs(
      `Open this link to set a new password. It works once, for ${minutes} minutes.`,
      link,
      IGNORE,
    ),
  }),

  confirmAddress: (to: string, link: string): Mail => ({
    to,
    subject: 'Confirm your e-mail address for ClaraTeach',
    text: paragraphs(
      'This address was given for an account on ClaraTeach. Open the link to confirm that it is yours. It works once, for a day.',
      link,
      'If you have no account there, ignore this mail: without it the address is not used.',
    ),
  }),

  signUp: (to: string, link: string): Mail => ({
    to,
    subject: 'Finish your ClaraTeach account',
    text: paragraphs(
      'Open this link to choose a password and begin. It works once, for a day.',
      link,
      'If you did not ask for an account, ignore this mail: none is made.',
    ),
  }),

  accountExists: (to: string, publicUrl: string): Mail => ({
    to,
    subject: 'You have a ClaraTeach account already',
    text: paragraphs(
      'Somebody asked for a new account with this address, and there is one already. Sign in with it:',
      `${publicUrl}/sign-in`,
      'If you forgot the password, that page helps. If this was not you, nothing has changed.',
    ),
  }),

  addressNotConfirmed: (to: string, publicUrl: string): Mail => ({
    to,
    subject: 'Your ClaraTeach address is not confirmed',
    text: paragraphs(
      'A link was asked for an account with this address. The address was never confirmed there, so no link is sent to it.',
      `Sign in with your password at ${publicUrl}/sign-in and confirm the address on the account page, or ask an admin for help.`,
    ),
  }),

  invitation: (to: string, link: string, invited: { readonly role: Role; readonly days: number }): Mail => ({
    to,
    subject: 'You are invited to ClaraTeach',
    text: paragraphs(
      `You are invited to run hands-on workshops on ClaraTeach, as an ${invited.role}. Open this link to make your account. It works once, for ${invited.days} days.`,
      link,
      'If you did not expect this, ignore this mail: no account is made.',
    ),
  }),
};

function paragraphs(...each: string[]): string {
  return `${each.join('\n\n')}\n`;
}
