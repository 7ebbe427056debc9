/** What forms know beside the schemas, and without them: a page that imports a schema's file carries all of zod. */

export const MAX_SEATS = 500;
/** Questions that one workshop asks of whoever registers. */
export const MAX_QUESTIONS = 10;
/** Said at a required question that was left open. */
export const NOT_ANSWERED = 'Please answer this.';
