import { ApiError, messageOf } from '../api/api-error.ts';

/**
 * Sorts a failed submission onto the form: the message at the field that the server names (as a dotted
 * path, perhaps with `body.` before it), or `other` for the foot of the form.
 */
export function formErrors<Field extends string>(
  error: unknown,
  fields: readonly Field[],
): { readonly fields: Partial<Record<Field, string>>; readonly other: string | undefined } {
  if (error === null || error === undefined) return { fields: {}, other: undefined };
  if (error instanceof ApiError) {
    const named = error.field?.split('.').find((part) => (fields as readonly string[]).includes(part));
    const field = error.code === 'code_taken' && named === undefined ? 'code' : named;
    if (field !== undefined && (fields as readonly string[]).includes(field)) {
      return { fields: { [field]: error.message } as Partial<Record<Field, string>>, other: undefined };
    }
  }
  return { fields: {}, other: messageOf(error) };
}
