import { z } from 'zod';
import { account, accountBody, apiToken, createdToken, createTokenBody } from './account.ts';
import { auditPage, auditQuery, dataSubject, deleteDataBody, deletedData, personalData } from './audit.ts';
import { colleaguesApi, entryApi, handOverApi, registerApi } from './entry-api.ts';
import { adminOverview, adminVms, health } from './health.ts';
import { joinBody, joinInfo, seatSession } from './join.ts';
import { mailAnswer } from './people.ts';
import { authApi, peopleApi, sessionsApi } from './people-api.ts';
import { admin, anyone, learner, owner } from './procedure.ts';
import { workshopsApi } from './workshops-api.ts';

export type { Caller, ProcedureMeta } from './procedure.ts';

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

  register: registerApi,
  handOver: handOverApi,
  entry: entryApi,
  colleagues: colleaguesApi,
  workshops: workshopsApi,

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

  auth: authApi,
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
