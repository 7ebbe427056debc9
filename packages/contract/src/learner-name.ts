import { z } from 'zod';

export const learnerName = z
  .string()
  .trim()
  .min(1, 'Type your name, so that the instructor knows who you are.')
  .max(60, 'A name has at most 60 characters.');
