import type { ReactNode } from 'react';
import { useEffect } from 'react';

interface DrawerProps {
  readonly open: boolean;
  readonly onClose: () => void;
  readonly children: ReactNode;
}

/** A pane over the others, where there is no room beside them. */
export function Drawer({ open, onClose, children }: DrawerProps) {
  useEffect(() => {
    if (!open) return;
    // A dialog over the pane takes the key for itself.
    const onKey = (event: KeyboardEvent) => event.key === 'Escape' && !event.defaultPrevented && onClose();
    window.addEventListener('keydown', onKey);
    return () => window.removeEventListener('keydown', onKey);
  }, [open, onClose]);
  if (!open) return null;
  return (
    <>
      <button type="button" className="drawer-shade" aria-label="Close the files" onClick={onClose} />
      <div className="drawer">{children}</div>
    </>
  );
}
