import { MutationCache, QueryCache, QueryClient, queryOptions } from '@tanstack/react-query';
import { ApiError } from './api-error.ts';
import { client } from './client.ts';

type WorkshopId = Parameters<typeof client.workshops.removals>[0]['id'];

/** Errors of the caller stay errors however often they are tried. */
function worthRetrying(failures: number, error: Error): boolean {
  if (error instanceof ApiError && error.status >= 400 && error.status < 500) return false;
  return failures < 2;
}

/** A session that ended shows the sign-in page, which leads back here. */
function onError(error: Error): void {
  if (error instanceof ApiError && error.code === 'unauthenticated') queryClient.setQueryData(['me'], null);
}

export const queryClient = new QueryClient({
  queryCache: new QueryCache({ onError }),
  mutationCache: new MutationCache({ onError }),
  defaultOptions: {
    // Asked also without a network: what fails says so, and what waits for a network says nothing.
    queries: { retry: worthRetrying, staleTime: 5_000, networkMode: 'always' },
    mutations: { retry: false, networkMode: 'always' },
  },
});

export const queries = {
  /** Null for somebody who is not signed in. */
  me: queryOptions({
    queryKey: ['me'],
    queryFn: async () => {
      try {
        return await client.account.me();
      } catch (error) {
        if (error instanceof ApiError && error.code === 'unauthenticated') return null;
        throw error;
      }
    },
    staleTime: 60_000,
  }),
  /** How people may sign in here. */
  ways: queryOptions({ queryKey: ['ways'], queryFn: () => client.auth.ways(), staleTime: 60_000 }),
  people: queryOptions({ queryKey: ['people'], queryFn: () => client.people.list() }),
  sessions: queryOptions({
    queryKey: ['sessions'],
    queryFn: async () => (await client.sessions.list()).sessions,
  }),
  health: queryOptions({ queryKey: ['health'], queryFn: () => client.health(), staleTime: 30_000 }),
  workshops: queryOptions({
    queryKey: ['workshops'],
    queryFn: async () => (await client.workshops.list()).workshops,
    refetchInterval: 5_000,
  }),
  /** Everybody's, for admins. */
  allWorkshops: queryOptions({
    queryKey: ['workshops', 'all'],
    queryFn: async () => (await client.workshops.list({ scope: 'all' })).workshops,
    refetchInterval: 5_000,
  }),
  workshop: (id: string) =>
    queryOptions({
      queryKey: ['workshops', id],
      queryFn: () => client.workshops.show({ id }),
      staleTime: Number.POSITIVE_INFINITY,
    }),
  workers: queryOptions({
    queryKey: ['workers'],
    queryFn: async () => (await client.admin.vms()).workers,
    staleTime: 0,
    refetchInterval: 2_000,
  }),
  removals: (id: WorkshopId) =>
    queryOptions({
      queryKey: ['workshops', id, 'removals'],
      queryFn: async () => (await client.workshops.removals({ id })).removals,
      refetchInterval: 15_000,
    }),
  tokens: queryOptions({ queryKey: ['tokens'], queryFn: async () => (await client.tokens.list()).tokens }),
};
