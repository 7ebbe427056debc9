/** The patterns of the route table; {@link paths} builds links to them. */
export const patterns = {
  home: '/',
  workshop: '/workshops/:id',
  projector: '/workshops/:id/projector',
  learners: '/workshops/:id/learners',
  signIn: '/sign-in',
  signUp: '/sign-up',
  forgotten: '/forgotten',
  enter: '/enter',
  people: '/people',
  account: '/account',
  tokens: '/account/tokens',
  workers: '/workers',
  audit: '/admin/audit',
  join: '/join/:code?',
  register: '/register/:code',
  handOver: '/hand-over',
  workspace: '/w/:workshopId',
} as const;

const part = encodeURIComponent;

export const paths = {
  home: () => '/',
  workshop: (id: string) => `/workshops/${part(id)}`,
  projector: (id: string) => `/workshops/${part(id)}/projector`,
  learners: (id: string) => `/workshops/${part(id)}/learners`,
  signIn: (next?: string) =>
    next === undefined || next === '/' ? '/sign-in' : `/sign-in?next=${part(next)}`,
  signUp: () => '/sign-up',
  forgotten: () => '/forgotten',
  people: () => '/people',
  /** The server's: leads to the identity provider and back to `next`. */
  provider: (next: string) => `/api/auth/provider?next=${part(next)}`,
  account: () => '/account',
  tokens: () => '/account/tokens',
  workers: () => '/workers',
  audit: () => '/admin/audit',
  join: (code?: string) => (code === undefined ? '/join' : `/join/${part(code)}`),
  register: (code: string) => `/register/${part(code)}`,
  workspace: (workshopId: string) => `/w/${part(workshopId)}`,
};

/** Where to go after signing in: only a path of this site, so a crafted link cannot lead elsewhere. */
export function returnPath(next: string | null): string {
  if (next === null || !next.startsWith('/')) return paths.home();
  const base = 'https://this.site';
  try {
    const url = new URL(next, base);
    return url.origin === base ? url.pathname + url.search : paths.home();
  } catch {
    return paths.home();
  }
}
