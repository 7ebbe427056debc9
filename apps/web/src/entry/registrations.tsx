import { spacedAccessCode } from '@clarateach/contract/codes';
import type { RegistrationList, RegistrationView } from '@clarateach/contract/entry';
import { useMutation } from '@tanstack/react-query';
import { Ban, Download, Ellipsis, KeyRound, Mail, Upload, UsersRound } from 'lucide-react';
import { useState } from 'react';
import { client } from '../api/client.ts';
import { CopyButton } from '../ui/copy-button.tsx';
import { Confirm } from '../ui/dialog.tsx';
import { IconButton } from '../ui/icon-button.tsx';
import { Menu, type MenuAction } from '../ui/menu.tsx';
import { clockTime, dateText } from '../ui/time.ts';
import { toast, toastError } from '../ui/toast.ts';
import { askAgain } from './entry-queries.ts';
import { ImportDialog } from './import-dialog.tsx';

interface RegistrationsProps {
  readonly id: string;
  readonly list: RegistrationList;
}

/** The registered learners and what can be done about each. */
export function Registrations({ id, list }: RegistrationsProps) {
  const { registrations, canMail } = list;
  const [importing, setImporting] = useState(false);
  const [cancelling, setCancelling] = useState<RegistrationView>();
  const [rotating, setRotating] = useState<RegistrationView>();
  const done = () => askAgain(id);
  const cancel = useMutation({
    mutationFn: (registration: string) => client.entry.cancel({ id, registration }),
    onSuccess: ({ name }) => toast(`The registration of ${name} is cancelled.`),
    onError: toastError,
    onSettled: done,
  });
  const rotate = useMutation({
    mutationFn: (registration: string) => client.entry.rotate({ id, registration }),
    onSuccess: ({ registration, mailed }) =>
      toast(`${registration.name} has a new access code${mailed ? ', sent by e-mail' : ''}.`),
    onError: toastError,
    onSettled: done,
  });
  const resend = useMutation({
    mutationFn: (registration: string) => client.entry.resend({ id, registration }),
    onSuccess: ({ email }) => toast(`The access code was sent to ${email}.`),
    onError: toastError,
  });
  const actionsFor = (registration: RegistrationView): MenuAction[] => [
    {
      label: 'Send the code again',
      icon: Mail,
      disabled: !canMail || registration.email === null,
      onSelect: () => resend.mutate(registration.id),
    },
    { label: 'New access code…', icon: KeyRound, onSelect: () => setRotating(registration) },
    {
      label: 'Cancel registration…',
      icon: Ban,
      danger: true,
      apart: true,
      onSelect: () => setCancelling(registration),
    },
  ];
  const count = (wanted: (each: RegistrationView) => boolean) => registrations.filter(wanted).length;
  const summary = [
    `${count(({ state }) => state === 'confirmed')} registered`,
    `${count(({ cameAt }) => cameAt !== null)} came`,
    `${count(({ state }) => state === 'waiting')} waiting`,
  ].join(' · ');

  return (
    <section className="stack" aria-label="Registrations">
      <div className="row spread wrap">
        <p className="progress-text" aria-live="polite">
          {summary}
        </p>
        <div className="row wrap">
          <button type="button" className="button" onClick={() => setImporting(true)}>
            <Upload size={17} aria-hidden /> Import a list
          </button>
          <a
            className="button"
            href={`/api/workshops/${encodeURIComponent(id)}/registrations.csv`}
            download
            aria-disabled={registrations.length === 0}
          >
            <Download size={17} aria-hidden /> Export
          </a>
        </div>
      </div>
      {registrations.length === 0 ? (
        <div className="card empty">
          <UsersRound size={34} aria-hidden />
          <h2>Nobody has registered yet</h2>
          <p>Share the registration page, or import a list of the people you expect.</p>
        </div>
      ) : (
        <div className="card table-card">
          <table className="registrations">
            <thead>
              <tr>
                <th scope="col">Learner</th>
                <th scope="col">State</th>
                <th scope="col">Access code</th>
                <th scope="col">Came</th>
                <th scope="col">
                  <span className="visually-hidden">Actions</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {registrations.map((registration) => (
                <Row key={registration.id} registration={registration} actions={actionsFor(registration)} />
              ))}
            </tbody>
          </table>
        </div>
      )}
      {importing && <ImportDialog id={id} onClose={() => setImporting(false)} />}
      <Confirm
        open={cancelling !== undefined}
        onOpenChange={(open) => !open && setCancelling(undefined)}
        title={`Cancel the registration of ${cancelling?.name ?? ''}?`}
        action="Cancel registration"
        onConfirm={() => cancelling && cancel.mutate(cancelling.id)}
      >
        The access code stops working and the next person who waits moves up. A seat that the learner has now
        stays theirs.
      </Confirm>
      <Confirm
        open={rotating !== undefined}
        onOpenChange={(open) => !open && setRotating(undefined)}
        title={`A new access code for ${rotating?.name ?? ''}?`}
        action="Make a new code"
        tone="primary"
        onConfirm={() => rotating && rotate.mutate(rotating.id)}
      >
        The old code stops working. The learner's place and seat stay as they are.
      </Confirm>
    </section>
  );
}

const STATES = {
  confirmed: { text: 'Registered', tone: 'tone-good' },
  waiting: { text: 'Waiting', tone: 'tone-warn' },
  cancelled: { text: 'Cancelled', tone: '' },
} as const satisfies Record<RegistrationView['state'], unknown>;

interface RowProps {
  readonly registration: RegistrationView;
  readonly actions: readonly MenuAction[];
}

function Row({ registration, actions }: RowProps) {
  const { name, email, answers, source, state, place, accessCode, registeredAt, cameAt, seat } = registration;
  const code = spacedAccessCode(accessCode);
  const { text, tone } = STATES[state];
  const given = Object.entries(answers);
  return (
    <tr className={state === 'cancelled' ? 'cancelled' : ''}>
      <th scope="row">
        <span className="person-name">{name}</span>
        <span className="soft small-text">
          {email ?? 'no e-mail address'} · {source === 'list' ? 'on the list' : 'registered'}{' '}
          {dateText(registeredAt)}
        </span>
        {given.length > 0 && (
          <dl className="answers small-text">
            {given.map(([label, answer]) => (
              <div key={label}>
                <dt className="soft">{label}</dt>
                <dd>{answer}</dd>
              </div>
            ))}
          </dl>
        )}
      </th>
      <td>
        <span className={`badge ${tone}`}>
          {text}
          {place !== null && ` · number ${place}`}
        </span>
      </td>
      <td>
        {state !== 'cancelled' && (
          <span className="row code-cell">
            <code>{code}</code>
            <CopyButton text={code} what={`access code of ${name}`} />
          </span>
        )}
      </td>
      <td className="small-text came">
        {cameAt === null ? (
          <span className="soft">not yet</span>
        ) : (
          `${clockTime(cameAt)}${seat === null ? '' : ` · seat ${seat}`}`
        )}
      </td>
      <td>
        {state !== 'cancelled' && (
          <Menu
            trigger={<IconButton label={`Actions for ${name}`} icon={Ellipsis} size="small" />}
            actions={actions}
          />
        )}
      </td>
    </tr>
  );
}
