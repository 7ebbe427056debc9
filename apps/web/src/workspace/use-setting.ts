import { useCallback, useState } from 'react';

/** A switch that this browser remembers. */
export function useSetting(name: string, otherwise: boolean): [on: boolean, set: (on: boolean) => void] {
  const key = `clarateach.${name}`;
  const [on, setOn] = useState(() => {
    try {
      return (localStorage.getItem(key) ?? String(otherwise)) === 'true';
    } catch {
      return otherwise;
    }
  });
  const set = useCallback(
    (next: boolean) => {
      setOn(next);
      try {
        localStorage.setItem(key, String(next));
      } catch {
        // It lasts as long as the page.
      }
    },
    [key],
  );
  return [on, set];
}
