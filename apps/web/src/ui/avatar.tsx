/** The first letters of somebody's first two names; the name itself stands beside it. */
export function Avatar({ name, className = '' }: { readonly name: string; readonly className?: string }) {
  const initials = name
    .split(/\s+/)
    .map((word) => word[0] ?? '')
    .slice(0, 2)
    .join('')
    .toUpperCase();
  return (
    <span className={`avatar ${className}`} aria-hidden>
      {initials || '?'}
    </span>
  );
}
