import { eventIterator } from '@orpc/contract';
import { z } from 'zod';
import { account, accountBody, apiToken, createdToken, createTokenBody } from './account.ts';
import { auditPage, auditQuery, dataSubject, deleteDataBody, deletedData, personalData } from './audit.ts';
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
import { adminOverview, adminVms, health } from './health.ts';
import { joinCode, seatNumber, workshopId } from './ids.ts';
import { handedSession, joinBody, joinInfo, seatSession } from './join.ts';
import { mailAnswer } from './people.ts';
import { entryApi, peopleApi, sessionsApi } from './people-api.ts';
import { admin, anyone, learner, owner, reader, writer } from './procedure.ts';
import {
  createWorkshopBody,
  extendBody,
  removal,
  workshopDetails,
  workshopEvent,
  workshopSummary,
} from './workshop.ts';

export type { Caller, ProcedureMeta } from './procedure.ts';

const byId = z.object({ id: workshopId });
const byRegistration = z.object({ id: workshopId, registration: z.string().max(64) });
const bySeat = z.object({ id: workshopId, seat: seatNumber });
/** `?wait=ready`: answer only when every seat is usable, or it is clear that one will not be. */
const waitQuery = z.object({ wait: z.literal('ready').optional() });

/** 202: under way, follow `/events`. 200 and 201: done. */
const withStatus = <Status extends 200 | 201 | 202>(status: Status) =>
  z.object({ status: z.literal(status), body: workshopDetails });
const created = z.discriminatedUnion('status', [withStatus(201), withStatus(202)]);
const started = z.discriminatedUnion('status', [withStatus(200), withStatus(202)]);

export const api = {
  health: anyone
    .route({
      method: 'GET',
      path: '/api/health',
      summary: 'Health of the server, its database and its runtimes',
    })
    .output(health),

  join: {
    join: anyone
      .route({ method: 'POST', path: '/api/join', summary: 'Take a seat, or return to one' })
      .input(joinBody)
      .output(seatSession),
    info: anyone
      .route({
        method: 'GET',
        path: '/api/session/{code}',
        summary: 'What a join page needs to know of a code',
      })
      .input(z.object({ code: z.string().max(64) }))
      .output(joinInfo),
    renew: learner
      .route({ method: 'POST', path: '/api/session/renew', summary: 'Exchange a seat token for a new one' })
      .input(z.object({ token: z.string().max(8192).optional() }).optional())
      .output(seatSession),
  },

  register: {
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
  },

  handOver: {
    redeem: anyone
      .route({
        method: 'POST',
        path: '/api/hand-over',
        summary: 'Take over a seat by a one-time link of the instructor',
      })
      .input(z.object({ token: z.string().max(128) }))
      .output(handedSession),
  },

  entry: {
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
  },

  colleagues: {
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
  },

  workshops: {
    list: reader
      .route({
        method: 'GET',
        path: '/api/workshops',
        summary:
          "Your workshops and those you are co-instructor of, the newest first; with scope=all an admin's view of all",
      })
      .input(z.object({ scope: z.enum(['own', 'all']).optional() }).optional())
      .output(z.object({ workshops: z.array(workshopSummary) })),
    create: writer
      .route({
        method: 'POST',
        path: '/api/workshops',
        summary: 'Make a workshop',
        inputStructure: 'detailed',
        outputStructure: 'detailed',
        successStatus: 202,
      })
      .input(z.object({ query: waitQuery, body: createWorkshopBody }))
      .output(created),
    show: reader
      .route({
        method: 'GET',
        path: '/api/workshops/{id}',
        summary: 'A workshop with the state of every seat',
      })
      .input(byId)
      .output(workshopDetails),
    start: writer
      .route({
        method: 'POST',
        path: '/api/workshops/{id}/start',
        summary: 'Provision the seats',
        inputStructure: 'detailed',
        outputStructure: 'detailed',
        successStatus: 202,
      })
      .input(z.object({ params: byId, query: waitQuery }))
      .output(started),
    stop: writer
      .route({
        method: 'POST',
        path: '/api/workshops/{id}/stop',
        summary: 'Release the seats, with all files in them',
        successStatus: 202,
      })
      .input(byId)
      .output(workshopDetails),
    extend: writer
      .route({ method: 'POST', path: '/api/workshops/{id}/extend', summary: 'Move the end later' })
      .input(byId.extend(extendBody.shape))
      .output(workshopDetails),
    delete: writer
      .route({
        method: 'DELETE',
        path: '/api/workshops/{id}',
        summary: 'Delete a workshop with all it holds',
        successStatus: 202,
      })
      .input(byId)
      .output(z.object({ id: workshopId })),
    events: reader
      .route({
        method: 'GET',
        path: '/api/workshops/{id}/events',
        summary: 'Progress as server-sent events; resumes with Last-Event-ID',
      })
      .input(byId)
      .output(eventIterator(workshopEvent)),
    restartSeat: writer
      .route({
        method: 'POST',
        path: '/api/workshops/{id}/seats/{seat}/restart',
        summary: 'Start a seat anew; its files and its learner stay',
        successStatus: 202,
      })
      .input(bySeat)
      .output(workshopDetails),
    resetSeat: writer
      .route({
        method: 'POST',
        path: '/api/workshops/{id}/seats/{seat}/reset',
        summary: 'Make a seat as new; its files are lost, its learner stays',
        successStatus: 202,
      })
      .input(bySeat)
      .output(workshopDetails),
    removeLearner: writer
      .route({
        method: 'POST',
        path: '/api/workshops/{id}/seats/{seat}/remove',
        summary: 'Remove the learner of a seat; the seat is made as new, and their codes are refused',
        successStatus: 202,
      })
      .input(bySeat)
      .output(workshopDetails),
    removals: reader
      .route({
        method: 'GET',
        path: '/api/workshops/{id}/removals',
        summary: 'The learners who were removed',
      })
      .input(byId)
      .output(z.object({ removals: z.array(removal) })),
    letBack: writer
      .route({
        method: 'DELETE',
        path: '/api/workshops/{id}/removals/{removal}',
        summary: 'Undo a removal: the learner may join again',
      })
      .input(byId.extend({ removal: z.string().max(64) }))
      .output(z.object({ removal: z.string() })),
  },

  account: {
    me: owner.route({ method: 'GET', path: '/api/account', summary: 'Who you are' }).output(account),
    update: owner
      .route({ method: 'PUT', path: '/api/account', summary: 'Change name, e-mail address and password' })
      .input(accountBody)
      .output(account),
    confirmAddress: owner
      .route({
        method: 'POST',
        path: '/api/account/confirm-address',
        summary: 'Have a link mailed that confirms your e-mail address',
        successStatus: 202,
      })
      .output(mailAnswer),
  },

  auth: entryApi,
  sessions: sessionsApi,
  people: peopleApi,

  tokens: {
    list: owner
      .route({ method: 'GET', path: '/api/tokens', summary: 'Your API tokens' })
      .output(z.object({ tokens: z.array(apiToken) })),
    create: owner
      .route({
        method: 'POST',
        path: '/api/tokens',
        summary: 'Make an API token; it is shown once',
        successStatus: 201,
      })
      .input(createTokenBody)
      .output(createdToken),
    revoke: owner
      .route({ method: 'DELETE', path: '/api/tokens/{id}', summary: 'Revoke an API token' })
      .input(z.object({ id: z.string() }))
      .output(z.object({ id: z.string() })),
  },

  admin: {
    overview: admin
      .route({ method: 'GET', path: '/api/admin/overview', summary: 'What is running, for the operator' })
      .output(adminOverview),
    vms: admin
      .route({ method: 'GET', path: '/api/admin/vms', summary: 'The workers, and the seats on each' })
      .output(adminVms),
    audit: admin
      .route({ method: 'GET', path: '/api/admin/audit', summary: 'Who did what, newest first' })
      .input(auditQuery)
      .output(auditPage),
    exportData: admin
      .route({
        method: 'POST',
        path: '/api/admin/data/export',
        summary: 'Everything that is kept of a learner or an account, without secrets',
      })
      .input(z.object({ subject: dataSubject }))
      .output(personalData),
    deleteData: admin
      .route({
        method: 'POST',
        path: '/api/admin/data/delete',
        summary: 'Delete everything that is kept of a learner or an account',
      })
      .input(deleteDataBody)
      .output(deletedData),
  },
};
