import { ApiError, messageOf } from '../api/api-error.ts';

interface FormErrors<Field extends string> {
  /** What is wrong with a field, under its dotted path. */
  readonly fields: Partial<Record<Field, string>>;
  /** What belongs to no field of the form, for its foot. */
  readonly other: string | undefined;
}

/**
 * Sorts a failed submission onto the form: every field that is wrong, each message at the field it names or at
 * the one that holds it. `missing` is what the form itself knows to be needed, which the server, refusing for
 * other fields, may not have looked at yet.
 */
export function formErrors<Field extends string>(
  error: unknown,
  fields: readonly Field[],
  missing: Partial<Record<Field, string>> = {},
): FormErrors<Field> {
  if (error === null || error === undefined) return { fields: {}, other: undefined };
  const problems = error instanceof ApiError ? error.problems : [];
  if (problems.length === 0) return { fields: {}, other: messageOf(error) };
  const found: Partial<Record<Field, string>> = { ...missing };
  const other: string[] = [];
  for (const { field, message } of problems) {
    const named =
      fields.find((each) => each === field) ?? fields.find((each) => field.startsWith(`${each}.`));
    if (named === undefined) other.push(message);
    else found[named] = message;
  }
  return { fields: found, other: other.length === 0 ? undefined : other.join(' ') };
}
