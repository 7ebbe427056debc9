import { eventIterator, oc } from '@orpc/contract';
import { z } from 'zod';
import { account, accountBody, apiToken, createdToken, createTokenBody } from './account.ts';
import { adminOverview, adminVms, health } from './health.ts';
import { seatNumber, workshopId } from './ids.ts';
import { joinBody, joinInfo, seatSession } from './join.ts';
import {
  createWorkshopBody,
  extendBody,
  workshopDetails,
  workshopEvent,
  workshopSummary,
} from './workshop.ts';

/**
 * Who may call a procedure.
 * `anyone`: no credentials. `learner`: a seat token. `instructor`: a session cookie or an API
 * token; another instructor's workshop is answered as one that does not exist. `admin`: the same,
 * with that role.
 */
export type Caller = 'anyone' | 'learner' | 'instructor' | 'admin';
export interface ProcedureMeta {
  readonly caller: Caller;
}

// Nobody may call what does not say who may.
const base = oc.$meta<Partial<ProcedureMeta>>({});
const anyone = base.meta({ caller: 'anyone' });
const learner = base.meta({ caller: 'learner' });
const instructor = base.meta({ caller: 'instructor' });
const admin = base.meta({ caller: 'admin' });

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
    list: instructor
      .route({ method: 'GET', path: '/api/workshops', summary: 'Your workshops, the newest first' })
      .output(z.object({ workshops: z.array(workshopSummary) })),
    create: instructor
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
    show: instructor
      .route({
        method: 'GET',
        path: '/api/workshops/{id}',
        summary: 'A workshop with the state of every seat',
      })
      .input(byId)
      .output(workshopDetails),
    start: instructor
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
    stop: instructor
      .route({
        method: 'POST',
        path: '/api/workshops/{id}/stop',
        summary: 'Release the seats, with all files in them',
        successStatus: 202,
      })
      .input(byId)
      .output(workshopDetails),
    extend: instructor
      .route({ method: 'POST', path: '/api/workshops/{id}/extend', summary: 'Move the end later' })
      .input(byId.extend(extendBody.shape))
      .output(workshopDetails),
    delete: instructor
      .route({
        method: 'DELETE',
        path: '/api/workshops/{id}',
        summary: 'Delete a workshop with all it holds',
        successStatus: 202,
      })
      .input(byId)
      .output(z.object({ id: workshopId })),
    events: instructor
      .route({
        method: 'GET',
        path: '/api/workshops/{id}/events',
        summary: 'Progress as server-sent events; resumes with Last-Event-ID',
      })
      .input(byId)
      .output(eventIterator(workshopEvent)),
    restartSeat: instructor
      .route({
        method: 'POST',
        path: '/api/workshops/{id}/seats/{seat}/restart',
        summary: 'Start a seat anew; its files and its learner stay',
        successStatus: 202,
      })
      .input(bySeat)
      .output(workshopDetails),
    resetSeat: instructor
      .route({
        method: 'POST',
        path: '/api/workshops/{id}/seats/{seat}/reset',
        summary: 'Make a seat as new; its files are lost, its learner stays',
        successStatus: 202,
      })
      .input(bySeat)
      .output(workshopDetails),
  },

  account: {
    me: instructor.route({ method: 'GET', path: '/api/account', summary: 'Who you are' }).output(account),
    update: instructor
      .route({ method: 'PUT', path: '/api/account', summary: 'Change name, e-mail address and password' })
      .input(accountBody)
      .output(account),
  },

  tokens: {
    list: instructor
      .route({ method: 'GET', path: '/api/tokens', summary: 'Your API tokens' })
      .output(z.object({ tokens: z.array(apiToken) })),
    create: instructor
      .route({
        method: 'POST',
        path: '/api/tokens',
        summary: 'Make an API token; it is shown once',
        successStatus: 201,
      })
      .input(createTokenBody)
      .output(createdToken),
    revoke: instructor
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
  },
};
