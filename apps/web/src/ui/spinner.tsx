import { LoaderCircle } from 'lucide-react';

export function Spinner({ size = 18 }: { readonly size?: number }) {
  return <LoaderCircle className="spin" size={size} aria-hidden />;
}

/** A whole page or panel that waits; shows itself only when the wait is worth mentioning. */
export function Waiting({ label }: { readonly label: string }) {
  return (
    <div className="waiting soft" role="status">
      <Spinner size={22} />
      <span>{label}</span>
    </div>
  );
}
