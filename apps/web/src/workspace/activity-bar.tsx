import type { LucideIcon } from 'lucide-react';
import { AppWindow, CircleHelp, Files, SquareTerminal } from 'lucide-react';
import { Logo } from '../ui/logo.tsx';
import { ThemeToggle } from '../ui/theme-toggle.tsx';
import { focusRegion } from './regions.ts';

interface ActivityBarProps {
  readonly filesShown: boolean;
  readonly onFiles: () => void;
  readonly previewShown: boolean;
  readonly onPreview: () => void;
  readonly onHelp: () => void;
}

export function ActivityBar({ filesShown, onFiles, previewShown, onPreview, onHelp }: ActivityBarProps) {
  return (
    <nav className="activity-bar" aria-label="Workspace" data-region="activity">
      <span className="activity-logo">
        <Logo size={28} />
      </span>
      <Activity icon={Files} label="Files" pressed={filesShown} onClick={onFiles} />
      <Activity icon={SquareTerminal} label="Go to the terminal" onClick={() => focusRegion('terminal')} />
      <Activity icon={AppWindow} label="Preview" pressed={previewShown} onClick={onPreview} />
      <span className="activity-space" />
      <ThemeToggle className="activity" />
      <Activity icon={CircleHelp} label="Help and keyboard shortcuts" onClick={onHelp} />
    </nav>
  );
}

interface ActivityProps {
  readonly icon: LucideIcon;
  readonly label: string;
  readonly pressed?: boolean;
  readonly onClick: () => void;
}

function Activity({ icon: Icon, label, pressed, onClick }: ActivityProps) {
  return (
    <button
      type="button"
      className="activity icon-button"
      aria-label={label}
      title={label}
      aria-pressed={pressed}
      onClick={onClick}
    >
      <Icon size={22} strokeWidth={1.7} aria-hidden />
    </button>
  );
}
