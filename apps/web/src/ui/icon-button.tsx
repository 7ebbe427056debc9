import type { LucideIcon } from 'lucide-react';
import type { ComponentProps } from 'react';

interface IconButtonProps extends Omit<ComponentProps<'button'>, 'children' | 'aria-label'> {
  /** What the button does; read aloud and shown on hover. */
  readonly label: string;
  readonly icon: LucideIcon;
  readonly size?: 'small' | 'normal';
}

export function IconButton({ label, icon: Icon, size = 'normal', className = '', ...rest }: IconButtonProps) {
  return (
    <button
      type="button"
      title={label}
      {...rest}
      aria-label={label}
      className={`icon-button ${size} ${className}`}
    >
      <Icon size={size === 'small' ? 16 : 19} aria-hidden />
    </button>
  );
}
