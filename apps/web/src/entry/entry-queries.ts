import type { RegistrationList } from '@clarateach/contract/entry';
import { queryOptions } from '@tanstack/react-query';
import { client } from '../api/client.ts';
import { queryClient } from '../api/queries.ts';

export const entryQueries = {
  registrations: (id: string) =>
    queryOptions({
      queryKey: ['workshops', id, 'registrations'],
      queryFn: () => client.entry.registrations({ id }),
      refetchInterval: 5_000,
    }),
  instructors: (id: string) =>
    queryOptions({
      queryKey: ['workshops', id, 'instructors'],
      queryFn: async () => (await client.colleagues.list({ id })).instructors,
    }),
};

/** Shows what the server answered at once. */
export function showRegistrations(id: string, list: RegistrationList): void {
  queryClient.setQueryData(entryQueries.registrations(id).queryKey, list);
}

export function askAgain(id: string): Promise<void> {
  return queryClient.invalidateQueries({ queryKey: entryQueries.registrations(id).queryKey });
}
