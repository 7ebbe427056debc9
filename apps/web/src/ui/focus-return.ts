import { useLayoutEffect, useRef } from 'react';

/** What opened something: where the focus is, or the button of the menu that it is in. */
function openerNow(): HTMLElement | undefined {
  const focused = document.activeElement;
  // A menu is gone by the time the focus returns.
  const trigger = focused?.closest('[role="menu"]')?.getAttribute('aria-labelledby');
  const opener = trigger ? document.getElementById(trigger) : focused;
  return opener instanceof HTMLElement && opener !== document.body ? opener : undefined;
}

/**
 * The `onCloseAutoFocus` of a dialog that is opened by state rather than by a trigger of its own: gives
 * the focus back to what had it. `otherwise` finds it a place where that is gone by then.
 */
export function useFocusReturn(
  open: boolean,
  otherwise = () => document.querySelector('main')?.focus(),
): (event: Event) => void {
  const opener = useRef<HTMLElement>(undefined);
  // Before the dialog's content, which is mounted later than its root, takes the focus.
  useLayoutEffect(() => {
    if (open) opener.current = openerNow();
  }, [open]);
  return (event) => {
    event.preventDefault();
    if (opener.current?.isConnected) opener.current.focus();
    else otherwise();
  };
}
