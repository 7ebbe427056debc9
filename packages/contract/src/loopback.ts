/** Whether a host name or address is always this machine; other names under `localhost` may lead elsewhere. */
export function isLoopback(hostname: string): boolean {
  return /^(localhost|127(\.\d{1,3}){3}|\[?::1\]?)$/i.test(hostname);
}
