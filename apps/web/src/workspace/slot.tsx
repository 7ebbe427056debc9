import { useLayoutEffect, useRef } from 'react';

/** An element of our own that a portal fills, and that moves between places without its content starting anew. */
export function makeHost(): HTMLElement {
  const host = document.createElement('div');
  host.className = 'slot';
  return host;
}

/** Where the host stands at the moment. */
export function Slot({ host }: { readonly host: HTMLElement }) {
  const place = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    place.current?.append(host);
    // The move took the focus away; keys typed meanwhile would go nowhere.
    if (document.activeElement === document.body) {
      host.querySelector<HTMLElement>('.xterm-helper-textarea')?.focus();
    }
  }, [host]);
  return <div ref={place} className="slot" />;
}
