/** Control characters, line and paragraph separators, and what turns the direction of text around. */
const UNSAFE = /[\p{Cc}\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]+/gu;
const MAX_LENGTH = 200;
/** What begins like one of our credentials, or like an instructor's key, in case somebody typed it where a name belongs. */
const CREDENTIAL = /\b(ctk_|sk-|eyJ[\w-]{10,}\.)[\w.-]{4,}|-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*/g;

/** A text that can stand in a log or on a terminal: one line, of bounded length, without control characters and credentials. */
export function plainText(value: string): string {
  const text = value.replace(CREDENTIAL, '…').replace(UNSAFE, ' ').trim();
  return text.length > MAX_LENGTH ? `${text.slice(0, MAX_LENGTH - 1)}…` : text;
}
