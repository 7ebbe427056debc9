import { useEffect, useState } from 'react';
import { durationText } from './duration.ts';

/** The time in milliseconds, renewed every `everyMs`. */
export function useNow(everyMs: number): number {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    setNow(Date.now());
    const timer = setInterval(() => setNow(Date.now()), everyMs);
    return () => clearInterval(timer);
  }, [everyMs]);
  return now;
}

export function timeLeft(endsAt: string, now: number): string {
  return durationText(Date.parse(endsAt) - now);
}

export function clockTime(instant: string): string {
  const date = new Date(instant);
  const sameDay = date.toDateString() === new Date().toDateString();
  return date.toLocaleString([], {
    ...(sameDay ? {} : { weekday: 'short', day: 'numeric', month: 'short' }),
    hour: '2-digit',
    minute: '2-digit',
  });
}

export function dateText(instant: string): string {
  return new Date(instant).toLocaleDateString([], { year: 'numeric', month: 'short', day: 'numeric' });
}
