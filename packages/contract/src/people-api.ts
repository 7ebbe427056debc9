import { z } from 'zod';
import { accountSession } from './account.ts';
import {
  changePersonBody,
  invitation,
  inviteBody,
  linkToken,
  mailAnswer,
  mailedLink,
  mailLinkBody,
  openedLink,
  openLinkBody,
  personView,
  sentInvitation,
  signInWays,
  signUpBody,
} from './people.ts';
import { admin, anyone, owner } from './procedure.ts';

const byId = z.object({ id: z.string().max(64) });
const people = z.object({ people: z.array(personView), invitations: z.array(invitation) });

/** Ways in that need no password. They set the session cookie. */
export const authApi = {
  ways: anyone
    .route({ method: 'GET', path: '/api/auth/ways', summary: 'How people may sign in here' })
    .output(signInWays),
  signUp: anyone
    .route({
      method: 'POST',
      path: '/api/auth/sign-up',
      summary: 'Ask for an account; a link to finish it is mailed to the address',
      successStatus: 202,
    })
    .input(signUpBody)
    .output(mailAnswer),
  mailLink: anyone
    .route({
      method: 'POST',
      path: '/api/auth/mail-link',
      summary: 'Have a sign-in link mailed; the answer is the same for unknown addresses',
      successStatus: 202,
    })
    .input(mailLinkBody)
    .output(mailAnswer),
  forgotten: anyone
    .route({
      method: 'POST',
      path: '/api/auth/forgotten',
      summary: 'Have a link to set a new password mailed; the answer is the same for unknown addresses',
      successStatus: 202,
    })
    .input(mailLinkBody)
    .output(mailAnswer),
  look: anyone
    .route({ method: 'POST', path: '/api/auth/link/look', summary: 'What a mailed link is for' })
    .input(z.object({ token: linkToken }))
    .output(mailedLink),
  open: anyone
    .route({ method: 'POST', path: '/api/auth/link/open', summary: 'Use a mailed link, once' })
    .input(openLinkBody)
    .output(openedLink),
};

export const sessionsApi = {
  list: owner
    .route({ method: 'GET', path: '/api/account/sessions', summary: 'Where you are signed in' })
    .output(z.object({ sessions: z.array(accountSession) })),
  end: owner
    .route({ method: 'DELETE', path: '/api/account/sessions/{id}', summary: 'End one of your sessions' })
    .input(byId)
    .output(byId),
  endOthers: owner
    .route({
      method: 'POST',
      path: '/api/account/sessions/end-others',
      summary: 'End your sessions but the one that asks',
    })
    .output(z.object({ ended: z.number().int() })),
};

export const peopleApi = {
  list: admin
    .route({
      method: 'GET',
      path: '/api/admin/people',
      summary: 'Everybody with an account or an invitation',
    })
    .output(people),
  invite: admin
    .route({
      method: 'POST',
      path: '/api/admin/people/invitations',
      summary: 'Invite somebody by e-mail',
      successStatus: 201,
    })
    .input(inviteBody)
    .output(sentInvitation),
  resend: admin
    .route({
      method: 'POST',
      path: '/api/admin/people/invitations/{id}/resend',
      summary: 'Send an invitation again, with a new link; the old one is good no longer',
    })
    .input(byId)
    .output(sentInvitation),
  revoke: admin
    .route({
      method: 'DELETE',
      path: '/api/admin/people/invitations/{id}',
      summary: 'Take an invitation back',
    })
    .input(byId)
    .output(byId),
  change: admin
    .route({
      method: 'PUT',
      path: '/api/admin/people/{id}',
      summary: "Change somebody's role, or disable or enable their account",
    })
    .input(byId.extend(changePersonBody.shape))
    .output(personView),
  endSessions: admin
    .route({
      method: 'POST',
      path: '/api/admin/people/{id}/end-sessions',
      summary: "End all of somebody's sessions",
    })
    .input(byId)
    .output(personView),
  remove: admin
    .route({
      method: 'DELETE',
      path: '/api/admin/people/{id}',
      summary: 'Remove an account; with `workshopsTo`, its workshops go to that person',
      inputStructure: 'detailed',
    })
    .input(z.object({ params: byId, query: z.object({ workshopsTo: z.string().max(64).optional() }) }))
    .output(byId),
};
