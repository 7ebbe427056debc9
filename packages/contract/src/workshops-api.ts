import { eventIterator } from '@orpc/contract';
import { z } from 'zod';
import { workshopId } from './ids.ts';
import { reader, writer } from './procedure.ts';
import {
  createWorkshopBody,
  extendBody,
  removal,
  workshopDetails,
  workshopEvent,
  workshopSummary,
} from './workshop.ts';
import { byId, bySeat } from './workshop-params.ts';

/** `?wait=ready`: answer only when every seat is usable, or it is clear that one will not be. */
const waitQuery = z.object({ wait: z.literal('ready').optional() });

/** 202: under way, follow `/events`. 200 and 201: done. */
const withStatus = <Status extends 200 | 201 | 202>(status: Status) =>
  z.object({ status: z.literal(status), body: workshopDetails });
const created = z.discriminatedUnion('status', [withStatus(201), withStatus(202)]);
const started = z.discriminatedUnion('status', [withStatus(200), withStatus(202)]);

export const workshopsApi = {
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
};
