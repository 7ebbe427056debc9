import type { Account } from '@clarateach/contract/account';
import { QueryClientProvider, useQuery } from '@tanstack/react-query';
import { KeyRound, LogOut, ScrollText, Server, UserRound, Users } from 'lucide-react';
import type { ReactNode } from 'react';
import { Link, Navigate, useLocation, useNavigate } from 'react-router';
import { signOut } from '../account/sign-in.ts';
import { queries, queryClient } from '../api/queries.ts';
import { paths } from '../paths.ts';
import { Avatar } from '../ui/avatar.tsx';
import { ErrorPage } from '../ui/error-page.tsx';
import { Logo } from '../ui/logo.tsx';
import { Menu } from '../ui/menu.tsx';
import { Waiting } from '../ui/spinner.tsx';
import { ThemeToggle } from '../ui/theme-toggle.tsx';
import { toastError } from '../ui/toast.ts';

interface SignedInProps {
  /** The page of somebody who is signed in. */
  readonly children: (account: Account) => ReactNode;
  /** Shown to everybody else instead of the sign-in page. */
  readonly otherwise?: ReactNode;
}

function Gate({ children, otherwise }: SignedInProps) {
  const { pathname, search } = useLocation();
  const { data: account, error, isPending, refetch } = useQuery(queries.me);
  if (isPending) return <Waiting label="Loading…" />;
  if (account === undefined) return <ErrorPage error={error} onRetry={() => void refetch()} />;
  if (account) return children(account);
  return otherwise ?? <Navigate replace to={paths.signIn(pathname + search)} />;
}

/** Everything an instructor sees stands behind this. */
export function SignedIn(props: SignedInProps) {
  return (
    <QueryClientProvider client={queryClient}>
      <Gate {...props} />
    </QueryClientProvider>
  );
}

function AccountMenu({ account }: { readonly account: Account }) {
  const navigate = useNavigate();
  const leave = async () => {
    try {
      await signOut();
      queryClient.clear();
      navigate(paths.home());
    } catch (error) {
      toastError(error);
    }
  };
  return (
    <Menu
      label={account.email}
      trigger={
        <button type="button" className="avatar-button">
          <Avatar name={account.name} />
          <span className="visually-hidden">Account of </span>
          <span className="avatar-name">{account.name}</span>
        </button>
      }
      actions={[
        { label: 'Account', icon: UserRound, onSelect: () => navigate(paths.account()) },
        { label: 'API tokens', icon: KeyRound, onSelect: () => navigate(paths.tokens()) },
        ...(account.role === 'admin'
          ? [
              { label: 'People', icon: Users, apart: true, onSelect: () => navigate(paths.people()) },
              { label: 'Audit log', icon: ScrollText, onSelect: () => navigate(paths.audit()) },
              { label: 'Workers', icon: Server, onSelect: () => navigate(paths.workers()) },
            ]
          : []),
        { label: 'Sign out', icon: LogOut, apart: true, onSelect: () => void leave() },
      ]}
    />
  );
}

interface InstructorPageProps {
  readonly title: string;
  readonly account: Account;
  readonly children: ReactNode;
}

/** The frame of the instructors' pages. */
export function InstructorPage({ title, account, children }: InstructorPageProps) {
  return (
    <>
      <title>{`${title} · ClaraTeach`}</title>
      <a className="skip-link" href="#content">
        Skip to the content
      </a>
      <header className="topbar">
        <Link className="brand" to={paths.home()}>
          <Logo />
          <span>ClaraTeach</span>
        </Link>
        <div className="row">
          <ThemeToggle />
          <AccountMenu account={account} />
        </div>
      </header>
      <main id="content" className="page" tabIndex={-1}>
        {children}
      </main>
    </>
  );
}
