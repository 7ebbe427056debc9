import type { Account } from '@clarateach/contract/account';
import type { Invitation, SentInvitation } from '@clarateach/contract/people';
import { useMutation, useQuery } from '@tanstack/react-query';
import { MailPlus, UserPlus } from 'lucide-react';
import { useState } from 'react';
import { client } from '../api/client.ts';
import { queries, queryClient } from '../api/queries.ts';
import { InstructorPage, SignedIn } from '../shell/instructor-page.tsx';
import { CopyButton } from '../ui/copy-button.tsx';
import { Confirm, Dialog } from '../ui/dialog.tsx';
import { ErrorPage } from '../ui/error-page.tsx';
import { Notice } from '../ui/notice.tsx';
import { dateText } from '../ui/time.ts';
import { toast, toastError } from '../ui/toast.ts';
import { emptyInvitation, InviteDialog } from './invite-dialog.tsx';
import { PersonRow } from './person-row.tsx';
import './people.css';

export function PeoplePage() {
  return (
    <SignedIn>
      {(account) => (
        <InstructorPage title="People" account={account}>
          {account.role === 'admin' ? (
            <People account={account} />
          ) : (
            <Notice tone="warn">Only admins manage people. Ask one of them.</Notice>
          )}
        </InstructorPage>
      )}
    </SignedIn>
  );
}

function People({ account }: { readonly account: Account }) {
  const { data, error, refetch } = useQuery(queries.people);
  const [inviting, setInviting] = useState(false);
  // Kept here and not in the dialog: closing it by accident loses nothing.
  const [form, setForm] = useState(emptyInvitation);
  const [sent, setSent] = useState<SentInvitation>();
  if (error && !data) return <ErrorPage error={error} onRetry={() => void refetch()} />;
  return (
    <div className="stack page-stack people">
      <div className="row spread wrap">
        <div>
          <h1>People</h1>
          <p className="soft">Who has an account on this server. Learners need none.</p>
        </div>
        <button type="button" className="button primary" onClick={() => setInviting(true)}>
          <UserPlus size={18} aria-hidden /> Invite somebody
        </button>
      </div>
      {data === undefined && <div className="skeleton" style={{ height: 160 }} />}
      {data !== undefined && (
        <ul className="card token-list" aria-label="People">
          {data.people.map((person) => (
            <PersonRow key={person.id} person={person} everybody={data.people} me={account} />
          ))}
        </ul>
      )}
      {data !== undefined && data.invitations.length > 0 && (
        <section className="stack" aria-labelledby="invitations">
          <h2 id="invitations">Invited</h2>
          <ul className="card token-list invited">
            {data.invitations.map((invitation) => (
              <InvitationRow key={invitation.id} invitation={invitation} onSent={setSent} />
            ))}
          </ul>
        </section>
      )}
      <InviteDialog
        open={inviting}
        onOpenChange={setInviting}
        form={form}
        onForm={setForm}
        onSent={(invitation) => {
          setForm(emptyInvitation);
          setInviting(false);
          setSent(invitation);
        }}
      />
      <SentDialog sent={sent} onClose={() => setSent(undefined)} />
    </div>
  );
}

interface InvitationRowProps {
  readonly invitation: Invitation;
  readonly onSent: (sent: SentInvitation) => void;
}

function InvitationRow({ invitation, onSent }: InvitationRowProps) {
  const { id, email, role, invitedBy, sentAt, expiresAt, expired } = invitation;
  const [revoking, setRevoking] = useState(false);
  const settled = () => queryClient.invalidateQueries({ queryKey: queries.people.queryKey });
  const resend = useMutation({
    mutationFn: () => client.people.resend({ id }),
    onSuccess: onSent,
    onError: toastError,
    onSettled: settled,
  });
  const revoke = useMutation({
    mutationFn: () => client.people.revoke({ id }),
    onSuccess: () => toast(`The invitation of ${email} is taken back.`),
    onError: toastError,
    onSettled: settled,
  });
  return (
    <li>
      <div className="row who">
        <MailPlus size={20} aria-hidden className="soft" />
        <div>
          <strong className="break">{email}</strong>{' '}
          {role === 'admin' && <span className="badge">admin</span>}{' '}
          {expired && <span className="badge tone-warn">expired</span>}
          <div className="soft small-text">
            Sent {dateText(sentAt)}
            {invitedBy !== null && ` by ${invitedBy}`} · {expired ? 'was good' : 'good'} until{' '}
            {dateText(expiresAt)}
          </div>
        </div>
      </div>
      <div className="row wrap">
        <button
          type="button"
          className="button small"
          aria-label={`Send the invitation of ${email} again`}
          disabled={resend.isPending}
          onClick={() => resend.mutate()}
        >
          Send again
        </button>
        <button
          type="button"
          className="button small"
          aria-label={`Take back the invitation of ${email}`}
          onClick={() => setRevoking(true)}
        >
          Take back
        </button>
      </div>
      <Confirm
        open={revoking}
        onOpenChange={setRevoking}
        title={`Take back the invitation of ${email}?`}
        action="Take back"
        onConfirm={() => revoke.mutate()}
      >
        The link that they have stops working at once. You can invite them again.
      </Confirm>
    </li>
  );
}

/** What became of an invitation: mailed, or a link to hand over. */
function SentDialog({
  sent,
  onClose,
}: {
  readonly sent: SentInvitation | undefined;
  readonly onClose: () => void;
}) {
  if (!sent) return null;
  const { email, link, mailed } = sent;
  return (
    <Dialog
      open
      onOpenChange={(open) => !open && onClose()}
      title={mailed ? 'The invitation is sent' : 'Hand over this link'}
      description={
        mailed
          ? `${email} has mail. Their link works once, until ${dateText(sent.expiresAt)}.`
          : `No mail was sent. Give this link to ${email} by a way that nobody else reads: it makes their account, once, until ${dateText(sent.expiresAt)}. It is not shown again.`
      }
    >
      {link !== null && (
        <div className="dialog-body">
          <div className="secret row">
            <code>{link}</code>
            <CopyButton text={link} what="link" />
          </div>
        </div>
      )}
      <div className="dialog-foot">
        <button type="button" className="button primary" onClick={onClose}>
          {mailed ? 'Done' : 'I have copied it'}
        </button>
      </div>
    </Dialog>
  );
}
