import { useMutation, useQuery } from '@tanstack/react-query';
import { Monitor, Smartphone } from 'lucide-react';
import { messageOf } from '../api/api-error.ts';
import { client } from '../api/client.ts';
import { queries, queryClient } from '../api/queries.ts';
import { Notice } from '../ui/notice.tsx';
import { clockTime } from '../ui/time.ts';
import { toast, toastError } from '../ui/toast.ts';
import { deviceName } from './device-name.ts';

/** Where somebody is signed in, and a way to end it. */
export function SessionList() {
  const { data: sessions, error } = useQuery(queries.sessions);
  const settled = () => queryClient.invalidateQueries({ queryKey: queries.sessions.queryKey });
  const end = useMutation({
    mutationFn: (id: string) => client.sessions.end({ id }),
    onSuccess: () => toast('The session is ended.'),
    onError: toastError,
    onSettled: settled,
  });
  const endOthers = useMutation({
    mutationFn: () => client.sessions.endOthers(),
    onSuccess: ({ ended }) => toast(ended === 1 ? 'One session is ended.' : `${ended} sessions are ended.`),
    onError: toastError,
    onSettled: settled,
  });
  return (
    <section className="stack" aria-labelledby="sessions">
      <div className="row spread wrap">
        <div>
          <h2 id="sessions">Where you are signed in</h2>
          <p className="soft">End what you do not know, and change your password then.</p>
        </div>
        {sessions !== undefined && sessions.length > 1 && (
          <button
            type="button"
            className="button"
            disabled={endOthers.isPending}
            onClick={() => endOthers.mutate()}
          >
            End all others
          </button>
        )}
      </div>
      {error && <Notice tone="bad">{messageOf(error)}</Notice>}
      {sessions === undefined && !error && <div className="skeleton" style={{ height: 76 }} />}
      {sessions !== undefined && (
        <ul className="card token-list">
          {sessions.map(({ id, current, device, address, lastSeenAt }) => {
            const name = deviceName(device);
            const Icon = /Android|iOS/.test(name) ? Smartphone : Monitor;
            return (
              <li key={id}>
                <div className="row">
                  <Icon size={20} aria-hidden className="soft" />
                  <div>
                    <strong>{name}</strong>{' '}
                    {current && <span className="badge tone-accent">this browser</span>}
                    <div className="soft small-text">
                      {address ?? 'address unknown'} · last seen {clockTime(lastSeenAt)}
                    </div>
                  </div>
                </div>
                {!current && (
                  <button
                    type="button"
                    className="button small"
                    aria-label={`End the session of ${name}, ${address ?? 'address unknown'}`}
                    disabled={end.isPending}
                    onClick={() => end.mutate(id)}
                  >
                    End
                  </button>
                )}
              </li>
            );
          })}
        </ul>
      )}
    </section>
  );
}
