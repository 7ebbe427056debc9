import type { ComponentType } from 'react';
import { Suspense, useEffect } from 'react';
import { Route, Routes, useLocation } from 'react-router';
import { patterns } from './paths.ts';
import { lazyComponent } from './ui/lazy-component.ts';
import { NotFoundPage } from './ui/not-found-page.tsx';
import { Waiting } from './ui/spinner.tsx';

type Load = () => Promise<ComponentType>;

/** Every page, loaded when it is first shown. */
const table: readonly (readonly [pattern: string, load: Load])[] = [
  [patterns.join, async () => (await import('./join/join-page.tsx')).JoinPage],
  [patterns.register, async () => (await import('./register/register-page.tsx')).RegisterPage],
  [patterns.handOver, async () => (await import('./register/hand-over-page.tsx')).HandOverPage],
  [patterns.workspace, async () => (await import('./workspace/workspace-page.tsx')).WorkspacePage],
  [patterns.home, async () => (await import('./landing/home-page.tsx')).HomePage],
  [patterns.workshop, async () => (await import('./workshops/workshop-page.tsx')).WorkshopPage],
  [patterns.projector, async () => (await import('./workshops/projector-page.tsx')).ProjectorPage],
  [patterns.learners, async () => (await import('./entry/learners-page.tsx')).LearnersPage],
  [patterns.signIn, async () => (await import('./account/sign-in-page.tsx')).SignInPage],
  [patterns.signUp, async () => (await import('./account/sign-up-page.tsx')).SignUpPage],
  [patterns.forgotten, async () => (await import('./account/forgotten-page.tsx')).ForgottenPage],
  [patterns.enter, async () => (await import('./account/enter-page.tsx')).EnterPage],
  [patterns.people, async () => (await import('./people/people-page.tsx')).PeoplePage],
  [patterns.account, async () => (await import('./account/account-page.tsx')).AccountPage],
  [patterns.audit, async () => (await import('./audit/audit-page.tsx')).AuditPage],
  [patterns.tokens, async () => (await import('./account/tokens-page.tsx')).TokensPage],
  [patterns.workers, async () => (await import('./workers/workers-page.tsx')).WorkersPage],
];

const pages = table.map(([pattern, load]) => ({
  pattern,
  Page: lazyComponent(load),
}));

export function AppRoutes() {
  const { pathname } = useLocation();
  // A block: browsers begin to return promises here, which React would call at the end.
  useEffect(() => {
    window.scrollTo(0, 0);
  }, [pathname]);
  return (
    <Suspense fallback={<Waiting label="Loading…" />}>
      <Routes>
        {pages.map(({ pattern, Page }) => (
          <Route key={pattern} path={pattern} element={<Page />} />
        ))}
        <Route path="*" element={<NotFoundPage />} />
      </Routes>
    </Suspense>
  );
}
