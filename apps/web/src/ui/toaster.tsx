import { X } from 'lucide-react';
import { Toast } from 'radix-ui';
import { IconButton } from './icon-button.tsx';
import { dismissToast, useToasts } from './toast.ts';
import '../styles/overlays.css';

/** What a letter more takes to be read. */
const READ_MS = 40;

export function Toaster() {
  const toasts = useToasts();
  return (
    <Toast.Provider swipeDirection="right">
      {toasts.map(({ id, text, tone }) => (
        <Toast.Root
          key={id}
          className={`toast ${tone}`}
          type={tone === 'bad' ? 'foreground' : 'background'}
          duration={(tone === 'bad' ? 9_000 : 4_000) + text.length * READ_MS}
          onOpenChange={(open) => !open && dismissToast(id)}
        >
          <Toast.Title className="toast-title">{text}</Toast.Title>
          <Toast.Close asChild>
            <IconButton label="Dismiss" icon={X} size="small" />
          </Toast.Close>
        </Toast.Root>
      ))}
      <Toast.Viewport className="toasts" />
    </Toast.Provider>
  );
}
