import type { Account, Role } from '@clarateach/contract/account';
import type { PersonView } from '@clarateach/contract/people';
import { useMutation } from '@tanstack/react-query';
import { Ban, CircleCheck, Ellipsis, LogOut, Shield, ShieldOff, Trash2 } from 'lucide-react';
import { useState } from 'react';
import { client } from '../api/client.ts';
import { queries, queryClient } from '../api/queries.ts';
import { Avatar } from '../ui/avatar.tsx';
import { Confirm } from '../ui/dialog.tsx';
import { IconButton } from '../ui/icon-button.tsx';
import { Menu, type MenuAction } from '../ui/menu.tsx';
import { clockTime, dateText } from '../ui/time.ts';
import { toast, toastError } from '../ui/toast.ts';
import { RemoveDialog } from './remove-dialog.tsx';

interface PersonRowProps {
  readonly person: PersonView;
  readonly everybody: readonly PersonView[];
  readonly me: Account;
}

export function PersonRow({ person, everybody, me }: PersonRowProps) {
  const { id, name, email, role, disabled, workshops, sessions } = person;
  const [asking, setAsking] = useState<'disable' | 'remove'>();
  const settled = () => queryClient.invalidateQueries({ queryKey: queries.people.queryKey });
  const change = useMutation({
    mutationFn: (wanted: { role?: Role; disabled?: boolean }) => client.people.change({ id, ...wanted }),
    onSuccess: (changed) => {
      toast(
        `${name} ${changed.disabled ? 'is disabled.' : `is ${changed.role === 'admin' ? 'an admin' : 'an instructor'}.`}`,
      );
      // One's own role decides what the pages offer.
      if (id === me.id) return queryClient.invalidateQueries({ queryKey: queries.me.queryKey });
    },
    onError: toastError,
    onSettled: settled,
  });
  const endSessions = useMutation({
    mutationFn: () => client.people.endSessions({ id }),
    onSuccess: () => toast(`${name} is signed out everywhere.`),
    onError: toastError,
    onSettled: settled,
  });
  const isMe = id === me.id;
  const onlyAdmin =
    role === 'admin' &&
    !disabled &&
    everybody.filter((each) => each.role === 'admin' && !each.disabled).length === 1;
  const actions: MenuAction[] = [
    role === 'admin'
      ? {
          label: onlyAdmin ? 'The only admin' : 'Make an instructor',
          icon: ShieldOff,
          disabled: onlyAdmin,
          onSelect: () => change.mutate({ role: 'instructor' }),
        }
      : { label: 'Make an admin', icon: Shield, onSelect: () => change.mutate({ role: 'admin' }) },
    {
      label: 'End all sessions',
      icon: LogOut,
      disabled: sessions === 0 || isMe,
      onSelect: () => endSessions.mutate(),
    },
    disabled
      ? {
          label: 'Enable',
          icon: CircleCheck,
          apart: true,
          onSelect: () => change.mutate({ disabled: false }),
        }
      : { label: 'Disable…', icon: Ban, apart: true, disabled: isMe, onSelect: () => setAsking('disable') },
    { label: 'Remove…', icon: Trash2, danger: true, disabled: isMe, onSelect: () => setAsking('remove') },
  ];
  return (
    <li>
      <div className="row who">
        <Avatar name={name} className={disabled ? 'off' : ''} />
        <div>
          <strong className="break">{name}</strong> {isMe && <span className="badge tone-accent">you</span>}{' '}
          {role === 'admin' && <span className="badge">admin</span>}{' '}
          {disabled && <span className="badge tone-bad">disabled</span>}
          <div className="soft small-text break">{email || 'no address yet'}</div>
        </div>
      </div>
      <div className="row facts">
        <div className="soft small-text">
          {workshops === 1 ? '1 workshop' : `${workshops} workshops`} ·{' '}
          {sessions === 1 ? '1 session' : `${sessions} sessions`}
          <br />
          {person.lastSeenAt === null
            ? `since ${dateText(person.createdAt)}`
            : `last seen ${clockTime(person.lastSeenAt)}`}
        </div>
        <Menu
          label={name}
          trigger={<IconButton label={`Actions for ${name}`} icon={Ellipsis} />}
          actions={actions}
        />
      </div>
      <Confirm
        open={asking === 'disable'}
        onOpenChange={(open) => !open && setAsking(undefined)}
        title={`Disable ${name}?`}
        action="Disable"
        onConfirm={() => change.mutate({ disabled: true })}
      >
        {name} is signed out everywhere and cannot sign in; API tokens stop working. Workshops run on. You can
        enable the account again.
      </Confirm>
      <RemoveDialog
        person={person}
        heirs={everybody.filter((each) => each.id !== id && !each.disabled)}
        me={me}
        open={asking === 'remove'}
        onOpenChange={(open) => !open && setAsking(undefined)}
      />
    </li>
  );
}
