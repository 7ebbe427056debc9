import { ApiError, responseError } from '../api/api-error.ts';
import { ANSWER_MS, reach } from '../api/reach.ts';

async function post(path: string, body: unknown): Promise<void> {
  const response = await reach(
    path,
    { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) },
    ANSWER_MS,
  );
  if (!response.ok) throw await responseError(response);
}

/**
 * Sets the session cookie. A wrong address or password is an `ApiError` with status 401, which does not say
 * which of them; an empty one is told apart before the server is asked.
 */
export async function signIn(email: string, password: string): Promise<void> {
  const problems = [
    ...(email === '' ? [{ field: 'email', message: 'Type your e-mail address.' }] : []),
    ...(password === '' ? [{ field: 'password', message: 'Type your password.' }] : []),
  ];
  if (problems.length > 0) throw new ApiError('invalid_input', 'Fill in both fields.', { problems });
  return post('/api/auth/sign-in/email', { email, password });
}

export function signOut(): Promise<void> {
  return post('/api/auth/sign-out', {});
}
