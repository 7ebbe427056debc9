import { z } from 'zod';
import { MAX_QUESTIONS } from './form-limits.ts';
import { joinCode, seatNumber, workshopId } from './ids.ts';
import { learnerName } from './learner-name.ts';

const instant = z.iso.datetime();

/**
 * Who may take a seat. `open`: whoever has the join code. `registered`: who has registered, or was put on
 * the list, with their access code. `list`: only who was put on the list.
 */
export const entryPolicy = z.enum(['open', 'registered', 'list']);
export type EntryPolicy = z.infer<typeof entryPolicy>;

const MAX_ANSWER_LENGTH = 500;
/** Registrations that one workshop keeps, cancelled ones with them. */
export const MAX_REGISTRATIONS = 2_000;

/** What the instructor asks of whoever registers. The label is what answers are kept under. */
export const question = z.object({
  label: z
    .string()
    .trim()
    .min(1, 'A question needs a text.')
    .max(100, 'A question has at most 100 characters.'),
  required: z.boolean(),
});
export type Question = z.infer<typeof question>;

const questions = z
  .array(question)
  .max(MAX_QUESTIONS, `A workshop asks at most ${MAX_QUESTIONS} questions.`)
  .refine((asked) => {
    // Those without a text are told so, each by itself.
    const texts = asked.map(({ label }) => label.toLowerCase()).filter((text) => text !== '');
    return new Set(texts).size === texts.length;
  }, 'Two questions have the same text. Make them different.');

/** How many are let in at most, those who wait not counted; null: as many as register. */
const registrationCap = z
  .number()
  .int('Places are a whole number.')
  .min(1, 'Give at least 1 place, or leave it empty for no limit.')
  .max(MAX_REGISTRATIONS, `Give at most ${MAX_REGISTRATIONS} places, or leave it empty for no limit.`)
  .nullable();

export const entrySettings = z.object({ entry: entryPolicy, registrationCap, questions });
export type EntrySettings = z.infer<typeof entrySettings>;

/** `confirmed`: may come in. `waiting`: moves up when there is room. `cancelled`: may not come any more. */
export const registrationState = z.enum(['confirmed', 'waiting', 'cancelled']);
export type RegistrationState = z.infer<typeof registrationState>;

export const registrantEmail = z
  .string()
  .trim()
  .max(200, 'An e-mail address has at most 200 characters.')
  .pipe(z.union([z.literal(''), z.email('Type an e-mail address, such as you@example.org.')]))
  .transform((email) => (email === '' ? null : email.toLowerCase()));

export const answers = z.record(
  z.string().max(100),
  z.string().trim().max(MAX_ANSWER_LENGTH, `An answer has at most ${MAX_ANSWER_LENGTH} characters.`),
);

export const registerBody = z.object({
  code: joinCode,
  name: learnerName,
  email: registrantEmail.nullish(),
  /** By the label of the question. */
  answers: answers.optional(),
});
export type RegisterBody = z.infer<typeof registerBody>;

/** What a registration page needs to know of a join code. */
export const registerInfo = z.object({
  workshop: z.object({ id: workshopId, name: z.string() }),
  entry: entryPolicy,
  questions: z.array(question),
  /** Whether whoever registers now is put on the waiting list. */
  full: z.boolean(),
});
export type RegisterInfo = z.infer<typeof registerInfo>;

/** A registration as its learner sees it. */
export const ownRegistration = z.object({
  workshop: z.object({ id: workshopId, name: z.string() }),
  /** Personal; good in place of the join code, and always for the same seat. */
  accessCode: z.string(),
  name: z.string(),
  state: registrationState,
  /** Place on the waiting list, counted from 1; null for who is not on it. */
  place: z.number().int().nullable(),
  /** Where the access code is used. */
  joinUrl: z.string(),
});
export type OwnRegistration = z.infer<typeof ownRegistration>;

export const madeRegistration = ownRegistration.extend({
  /** Whether the access code was also sent by e-mail. */
  mailed: z.boolean(),
});
export type MadeRegistration = z.infer<typeof madeRegistration>;

/** A registration as the instructor sees it. */
export const registrationView = z.object({
  id: z.string(),
  name: z.string(),
  email: z.string().nullable(),
  answers: z.record(z.string(), z.string()),
  source: z.enum(['self', 'list']),
  state: registrationState,
  place: z.number().int().nullable(),
  accessCode: z.string(),
  registeredAt: instant,
  /** When they first came in; null for who has not come. */
  cameAt: instant.nullable(),
  /** The seat they have, or had last. */
  seat: seatNumber.nullable(),
});
export type RegistrationView = z.infer<typeof registrationView>;

export const registrationList = z.object({
  settings: entrySettings,
  /** The page on which learners register. */
  registerUrl: z.string(),
  /** Whether this server can send e-mail. */
  canMail: z.boolean(),
  registrations: z.array(registrationView),
});
export type RegistrationList = z.infer<typeof registrationList>;

export const importBody = z.object({
  /** RFC 4180, also with semicolons or tabs. The first line may name the columns: `name`, `email`, and more. */
  csv: z.string().max(900_000, 'The list is too large: at most 900,000 characters.'),
  /** Lines that are wrong are left out, instead of stopping the whole. */
  skipWrong: z.boolean().optional(),
});

export const importProblem = z.object({
  /** Counted from 1, as an editor counts them. */
  line: z.number().int(),
  problem: z.string(),
});
export type ImportProblem = z.infer<typeof importProblem>;

export const importResult = z.object({
  /** 0 where a line is wrong, unless wrong lines were to be skipped. */
  imported: z.number().int(),
  /** How many of them are on the waiting list. */
  waiting: z.number().int(),
  problems: z.array(importProblem),
});
export type ImportResult = z.infer<typeof importResult>;

/** A link that gives an occupied seat to another browser, once. */
export const handOverLink = z.object({ url: z.string(), expiresAt: instant });
export type HandOverLink = z.infer<typeof handOverLink>;

export const colleague = z.object({
  userId: z.string(),
  name: z.string(),
  email: z.string(),
  role: z.enum(['owner', 'co-instructor']),
});
export type Colleague = z.infer<typeof colleague>;

export const addColleagueBody = z.object({
  email: z
    .email('Type an e-mail address, such as you@example.org.')
    .max(200, 'An address has at most 200 characters.'),
});
