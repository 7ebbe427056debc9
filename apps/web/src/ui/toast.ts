import { useSyncExternalStore } from 'react';
import { messageOf } from '../api/api-error.ts';

export interface ToastMessage {
  readonly id: number;
  readonly text: string;
  readonly tone: 'good' | 'bad';
}

let toasts: readonly ToastMessage[] = [];
let nextId = 1;
const listeners = new Set<() => void>();

function change(next: readonly ToastMessage[]): void {
  toasts = next;
  for (const listener of listeners) listener();
}

export function toast(text: string, tone: ToastMessage['tone'] = 'good'): void {
  change([...toasts.slice(-3), { id: nextId++, text, tone }]);
}

export function toastError(error: unknown): void {
  toast(messageOf(error), 'bad');
}

export function dismissToast(id: number): void {
  change(toasts.filter((message) => message.id !== id));
}

export function useToasts(): readonly ToastMessage[] {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => toasts,
  );
}
