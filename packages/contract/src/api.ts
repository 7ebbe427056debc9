import { eventIterator } from '@orpc/contract';
import { z } from 'zod';
import { account, accountBody, apiToken, createdToken, createTokenBody } from './account.ts';
import { auditPage, auditQuery, dataSubject, deleteDataBody, deletedData, personalData } from './audit.ts';
import { adminOverview, adminVms, health } from './health.ts';
import { seatNumber, workshopId } from './ids.ts';
import { joinBody, joinInfo, seatSession } from './join.ts';
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

  workshops: {
    list: reader
      .route({ method: 'GET', path: '/api/workshops', summary: 'Your workshops, the newest first' })
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
