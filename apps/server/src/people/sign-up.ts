/** Whether strangers may make accounts, and with addresses of which domains; none: of any. */
export type SignUp =
  | { readonly kind: 'closed' }
  | { readonly kind: 'open'; readonly domains: readonly string[] };

/** Whether somebody with this address may make an account without being invited. */
export function maySignUp(signUp: SignUp, email: string): boolean {
  if (signUp.kind === 'closed') return false;
  const domain = email.slice(email.lastIndexOf('@') + 1).toLowerCase();
  return signUp.domains.length === 0 || signUp.domains.includes(domain);
}
