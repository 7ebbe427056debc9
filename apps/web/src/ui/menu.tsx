import type { LucideIcon } from 'lucide-react';
import { DropdownMenu } from 'radix-ui';
import type { ReactElement } from 'react';
import { Fragment } from 'react';
import '../styles/overlays.css';

export interface MenuAction {
  readonly label: string;
  readonly icon: LucideIcon;
  readonly onSelect: () => void;
  readonly danger?: boolean;
  readonly disabled?: boolean;
  readonly shortcut?: string;
  /** Draws a line above. */
  readonly apart?: boolean;
}

interface MenuProps {
  readonly trigger: ReactElement;
  readonly actions: readonly MenuAction[];
  readonly label?: string;
}

export function Menu({ trigger, actions, label }: MenuProps) {
  return (
    <DropdownMenu.Root>
      <DropdownMenu.Trigger asChild>{trigger}</DropdownMenu.Trigger>
      <DropdownMenu.Portal>
        <DropdownMenu.Content className="menu" align="end" sideOffset={6} collisionPadding={8}>
          {label !== undefined && <DropdownMenu.Label className="menu-label">{label}</DropdownMenu.Label>}
          {actions.map(({ label: text, icon: Icon, onSelect, danger, disabled, shortcut, apart }) => (
            <Fragment key={text}>
              {apart && <DropdownMenu.Separator className="menu-line" />}
              <DropdownMenu.Item
                className={`menu-item ${danger ? 'danger' : ''}`}
                disabled={disabled ?? false}
                onSelect={onSelect}
              >
                <Icon size={16} aria-hidden />
                {text}
                {shortcut !== undefined && <span className="shortcut">{shortcut}</span>}
              </DropdownMenu.Item>
            </Fragment>
          ))}
        </DropdownMenu.Content>
      </DropdownMenu.Portal>
    </DropdownMenu.Root>
  );
}
