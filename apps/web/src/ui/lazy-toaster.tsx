import type { ComponentType } from 'react';
import { useEffect, useState } from 'react';
import { useToasts } from './toast.ts';

/** So long after the page the toasts are fetched: what says that the network is away must be there by then. */
const LATE_MS = 4_000;
const AGAIN_MS = 2_000;

/** Shows the toasts, whose code comes with the first message or after everything else that the page needs. */
export function LazyToaster() {
  const [Toaster, setToaster] = useState<ComponentType>();
  const asked = useToasts().length > 0;
  const loaded = Toaster !== undefined;

  useEffect(() => {
    if (loaded) return;
    let timer: ReturnType<typeof setTimeout>;
    const load = async () => {
      try {
        const { Toaster } = await import('./toaster.tsx');
        setToaster(() => Toaster);
      } catch {
        // The messages wait for it.
        timer = setTimeout(() => void load(), AGAIN_MS);
      }
    };
    timer = setTimeout(() => void load(), asked ? 0 : LATE_MS);
    return () => clearTimeout(timer);
  }, [asked, loaded]);

  return Toaster === undefined ? null : <Toaster />;
}
