import { z } from 'zod';
import { emailAddress, password, personName, role } from './account.ts';

/** How people may come in, for the pages of those who are not signed in. */
export const signInWays = z.object({
  /** Links by e-mail: to sign in, and to set a new password. */
  mail: z.boolean(),
  signUp: z.object({
    open: z.boolean(),
    /** Only addresses of these domains; none: any. */
    domains: z.array(z.string()),
  }),
  /** The name of the identity provider; null without one. */
  provider: z.string().nullable(),
});
export type SignInWays = z.infer<typeof signInWays>;

export const mailLinkBody = z.object({ email: emailAddress });
export const signUpBody = z.object({ name: personName, email: emailAddress });
/** The same for every address, whether anybody has it or not. */
export const mailAnswer = z.object({ sent: z.literal(true) });

export const linkToken = z.string().min(1).max(200);

/** What a mailed link is for, before it is used. */
export const mailedLink = z.object({
  purpose: z.enum(['sign-in', 'reset-password', 'confirm-address', 'sign-up', 'invitation']),
  email: z.string(),
  /** Of the account, or as given at sign-up; empty when not known yet. */
  name: z.string(),
});
export type MailedLink = z.infer<typeof mailedLink>;

export const openLinkBody = z.object({
  token: linkToken,
  /** For a new account. */
  name: personName.optional(),
  /** For a new account, and to set a new password. */
  password: password.optional(),
});
export const openedLink = z.object({
  /** False only after an address was confirmed: that signs nobody in. */
  signedIn: z.boolean(),
});

/** Somebody with an account, as admins see them. */
export const personView = z.object({
  id: z.string(),
  name: z.string(),
  email: z.string(),
  role,
  disabled: z.boolean(),
  /** That they own; these stand in the way of removing them. */
  workshops: z.number().int(),
  sessions: z.number().int(),
  hasPassword: z.boolean(),
  hasProvider: z.boolean(),
  createdAt: z.iso.datetime(),
  lastSeenAt: z.iso.datetime().nullable(),
});
export type PersonView = z.infer<typeof personView>;

export const invitation = z.object({
  id: z.string(),
  email: z.string(),
  role,
  /** Who invited; null when they are gone. */
  invitedBy: z.string().nullable(),
  sentAt: z.iso.datetime(),
  expiresAt: z.iso.datetime(),
  expired: z.boolean(),
});
export type Invitation = z.infer<typeof invitation>;

export const inviteBody = z.object({ email: emailAddress, role: role.default('instructor') });
/** An invitation as it was just sent. */
export const sentInvitation = invitation.extend({
  mailed: z.boolean(),
  /** To hand over by other means, where mail was not sent; shown this once. */
  link: z.string().nullable(),
});
export type SentInvitation = z.infer<typeof sentInvitation>;

export const changePersonBody = z.object({ role: role.optional(), disabled: z.boolean().optional() });
