import { Moon, Sun, SunMoon } from 'lucide-react';
import { IconButton } from './icon-button.tsx';
import type { ThemeChoice } from './theme.ts';
import { chooseTheme, useThemeChoice } from './theme.ts';

const NEXT = {
  system: { choice: 'light', icon: SunMoon, label: 'Theme: as the system. Switch to light' },
  light: { choice: 'dark', icon: Sun, label: 'Theme: light. Switch to dark' },
  dark: { choice: 'system', icon: Moon, label: 'Theme: dark. Follow the system' },
} as const satisfies Record<ThemeChoice, { choice: ThemeChoice; icon: unknown; label: string }>;

export function ThemeToggle({ className = '' }: { readonly className?: string }) {
  const { choice, icon, label } = NEXT[useThemeChoice()];
  return <IconButton className={className} icon={icon} label={label} onClick={() => chooseTheme(choice)} />;
}
