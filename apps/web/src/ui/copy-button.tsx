import { Check, Copy } from 'lucide-react';
import { useEffect, useState } from 'react';
import { copyText } from './clipboard.ts';
import { toast } from './toast.ts';

interface CopyButtonProps {
  readonly text: string;
  /** What is copied: "join code". */
  readonly what: string;
  readonly children?: string;
  readonly className?: string;
}

export function CopyButton({ text, what, children, className = '' }: CopyButtonProps) {
  const [copied, setCopied] = useState(false);
  useEffect(() => {
    if (!copied) return;
    const timer = setTimeout(() => setCopied(false), 1_800);
    return () => clearTimeout(timer);
  }, [copied]);
  const Icon = copied ? Check : Copy;
  const label = copied ? `Copied the ${what}` : `Copy the ${what}`;
  const copy = async () => {
    if (await copyText(text)) setCopied(true);
    else toast(`The browser did not allow copying. Select the ${what} and copy it by hand.`, 'bad');
  };
  return (
    <button
      type="button"
      className={children === undefined ? `icon-button ${className}` : `button ${className}`}
      aria-label={label}
      title={label}
      onClick={() => void copy()}
    >
      <Icon size={17} aria-hidden />
      {children !== undefined && <span>{copied ? 'Copied' : children}</span>}
      <span className="visually-hidden" aria-live="polite">
        {copied ? label : ''}
      </span>
    </button>
  );
}
