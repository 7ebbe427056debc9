import { offline, responseError } from '../api/api-error.ts';

async function post(path: string, body: unknown): Promise<void> {
  let response: Response;
  try {
    response = await fetch(path, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify(body),
    });
  } catch (error) {
    throw offline(error);
  }
  if (!response.ok) throw await responseError(response);
}

/** Sets the session cookie. A wrong address or password is an `ApiError` with status 401. */
export function signIn(email: string, password: string): Promise<void> {
  return post('/api/auth/sign-in/email', { email, password });
}

export function signOut(): Promise<void> {
  return post('/api/auth/sign-out', {});
}
