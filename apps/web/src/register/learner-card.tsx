import type { ReactNode } from 'react';
import { Logo } from '../ui/logo.tsx';
import { ThemeToggle } from '../ui/theme-toggle.tsx';

/** The frame of the pages that learners see before they have a seat. */
export function LearnerCard({ title, children }: { readonly title: string; readonly children: ReactNode }) {
  return (
    <main className="message-page">
      <title>{`${title} · ClaraTeach`}</title>
      <ThemeToggle className="corner" />
      <div className="message-card card join-card">
        <Logo size={40} />
        {children}
      </div>
    </main>
  );
}
