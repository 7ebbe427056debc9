import { z } from 'zod';
import {
  addColleagueBody,
  colleague,
  entrySettings,
  handOverLink,
  importBody,
  importResult,
  madeRegistration,
  ownRegistration,
  registerBody,
  registerInfo,
  registrationList,
  registrationView,
} from './entry.ts';
import { joinCode } from './ids.ts';
import { handedSession } from './join.ts';
import { anyone, reader, writer } from './procedure.ts';
import { byId, bySeat } from './workshop-params.ts';

const byRegistration = byId.extend({ registration: z.string().max(64) });

/** What learners do ahead of the class. */
export const registerApi = {
  info: anyone
    .route({
      method: 'GET',
      path: '/api/register/{code}',
      summary: 'What a registration page needs to know of a join code',
    })
    .input(z.object({ code: z.string().max(64) }))
    .output(registerInfo),
  register: anyone
    .route({
      method: 'POST',
      path: '/api/register',
      summary: 'Register for a workshop and get a personal access code',
      successStatus: 201,
    })
    .input(registerBody)
    .output(madeRegistration),
  cancel: anyone
    .route({
      method: 'POST',
      path: '/api/register/cancel',
      summary: 'Give a registration up, by its access code',
    })
    .input(z.object({ code: joinCode }))
    .output(ownRegistration),
};

export const handOverApi = {
  redeem: anyone
    .route({
      method: 'POST',
      path: '/api/hand-over',
      summary: 'Take over a seat by a one-time link of the instructor',
    })
    .input(z.object({ token: z.string().max(128) }))
    .output(handedSession),
};

/** What instructors do with registrations and seats. */
export const entryApi = {
  registrations: reader
    .route({
      method: 'GET',
      path: '/api/workshops/{id}/registrations',
      summary: 'Who registered, who came, and how learners come in',
    })
    .input(byId)
    .output(registrationList),
  configure: writer
    .route({
      method: 'PUT',
      path: '/api/workshops/{id}/entry',
      summary: 'Say who may take a seat, how many may register and what they are asked',
    })
    .input(byId.extend(entrySettings.shape))
    .output(registrationList),
  import: writer
    .route({
      method: 'POST',
      path: '/api/workshops/{id}/registrations/import',
      summary: 'Put people on the list, from CSV',
    })
    .input(byId.extend(importBody.shape))
    .output(importResult),
  export: reader
    .route({
      method: 'GET',
      path: '/api/workshops/{id}/registrations.csv',
      summary: 'The list as CSV: who registered, who came, seats and access codes',
    })
    .input(byId)
    .output(z.file().mime('text/csv')),
  cancel: writer
    .route({
      method: 'POST',
      path: '/api/workshops/{id}/registrations/{registration}/cancel',
      summary: 'Cancel a registration; the next who waits moves up',
    })
    .input(byRegistration)
    .output(registrationView),
  rotate: writer
    .route({
      method: 'POST',
      path: '/api/workshops/{id}/registrations/{registration}/rotate',
      summary: 'Give a new access code; the old one is good no longer, the seat stays',
    })
    .input(byRegistration)
    .output(z.object({ registration: registrationView, mailed: z.boolean() })),
  resend: writer
    .route({
      method: 'POST',
      path: '/api/workshops/{id}/registrations/{registration}/resend',
      summary: 'Send the access code by e-mail again',
    })
    .input(byRegistration)
    .output(registrationView),
  handOver: writer
    .route({
      method: 'POST',
      path: '/api/workshops/{id}/seats/{seat}/hand-over',
      summary: 'Make a link that gives an occupied seat to another browser, once',
      successStatus: 201,
    })
    .input(bySeat)
    .output(handOverLink),
};

/** Who else runs a workshop. */
export const colleaguesApi = {
  list: reader
    .route({
      method: 'GET',
      path: '/api/workshops/{id}/instructors',
      summary: 'Who runs the workshop: its owner and the co-instructors',
    })
    .input(byId)
    .output(z.object({ instructors: z.array(colleague) })),
  add: writer
    .route({
      method: 'POST',
      path: '/api/workshops/{id}/instructors',
      summary: 'Let another instructor run the workshop too; for its owner',
      successStatus: 201,
    })
    .input(byId.extend(addColleagueBody.shape))
    .output(colleague),
  remove: writer
    .route({
      method: 'DELETE',
      path: '/api/workshops/{id}/instructors/{userId}',
      summary: 'Take a co-instructor off the workshop; for its owner',
    })
    .input(byId.extend({ userId: z.string().max(128) }))
    .output(z.object({ userId: z.string() })),
};
