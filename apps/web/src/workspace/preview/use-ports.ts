import { useEffect, useState } from 'react';
import { useWorkspace } from '../context.ts';
import { listeningPorts } from './seat-preview.ts';

const POLL_MS = 3_000;

/** Listening ports, asked for gently and only while the page is looked at. */
export function usePorts(): readonly number[] {
  const { pass } = useWorkspace();
  const [ports, setPorts] = useState<readonly number[]>([]);
  useEffect(() => {
    let stopped = false;
    let timer: ReturnType<typeof setTimeout>;
    const ask = async () => {
      if (document.visibilityState === 'visible') {
        try {
          const now = await listeningPorts(pass);
          setPorts((before) => (before.join() === now.join() ? before : now));
        } catch {
          // The terminal tells about a seat that is away; the list stays as it was.
        }
      }
      if (!stopped) timer = setTimeout(() => void ask(), POLL_MS);
    };
    void ask();
    return () => {
      stopped = true;
      clearTimeout(timer);
    };
  }, [pass]);
  return ports;
}
