import { SavedSeats } from './saved-seats.ts';

/** The seats of this browser. Each access asks for the storage anew: a blocked one throws when it is touched. */
export const browserSeats = new SavedSeats(
  {
    getItem: (key) => localStorage.getItem(key),
    setItem: (key, value) => localStorage.setItem(key, value),
  },
  Date.now,
);
