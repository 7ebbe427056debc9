import { Suspense } from 'react';
import { lazyComponent } from './lazy-component.ts';
import { useToasts } from './toast.ts';

const Toaster = lazyComponent(async () => (await import('./toaster.tsx')).Toaster);

/** Loads the toasts with the first message, so that no page pays for them before. */
export function LazyToaster() {
  return useToasts().length > 0 ? (
    <Suspense>
      <Toaster />
    </Suspense>
  ) : null;
}
