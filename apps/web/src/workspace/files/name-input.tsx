import type { FocusEvent, KeyboardEvent } from 'react';
import { useEffect, useRef, useState } from 'react';
import { nameProblem } from './file-path.ts';

interface NameInputProps {
  readonly label: string;
  readonly initial: string;
  readonly depth: number;
  readonly taken: readonly string[];
  readonly onDone: (name: string) => void;
  readonly onCancel: () => void;
}

/** A name typed in place, as in the tree around it. */
export function NameInput({ label, initial, depth, taken, onDone, onCancel }: NameInputProps) {
  const [name, setName] = useState(initial);
  const input = useRef<HTMLInputElement>(null);
  const settled = useRef(false);
  const problem = name === initial ? undefined : nameProblem(name, taken);

  useEffect(() => {
    // After the menu that asked for it has given the focus back.
    const timer = setTimeout(() => {
      input.current?.focus();
      const dot = initial.lastIndexOf('.');
      input.current?.setSelectionRange(0, dot > 0 ? dot : initial.length);
    });
    return () => clearTimeout(timer);
  }, [initial]);

  const settle = (keep: boolean) => {
    if (settled.current) return;
    settled.current = true;
    if (keep && name !== '' && name !== initial && problem === undefined) onDone(name);
    else onCancel();
  };
  const onKeyDown = (event: KeyboardEvent) => {
    event.stopPropagation();
    if (event.key === 'Escape') settle(false);
    if (event.key === 'Enter' && problem === undefined) settle(true);
  };
  const onBlur = (event: FocusEvent) => {
    // A closing menu takes the focus for a moment; only leaving for another place settles the name.
    if (event.relatedTarget !== null || document.hasFocus()) settle(true);
  };
  return (
    <div
      className="tree-row editing"
      role="treeitem"
      aria-level={depth + 1}
      tabIndex={-1}
      style={{ paddingLeft: 26 + depth * 14 }}
    >
      <input
        ref={input}
        className="tree-input"
        aria-label={label}
        aria-invalid={problem !== undefined}
        value={name}
        spellCheck={false}
        autoComplete="off"
        onChange={(event) => setName(event.target.value)}
        onKeyDown={onKeyDown}
        onBlur={onBlur}
      />
      {problem !== undefined && name !== '' && (
        <span className="tree-problem" role="alert">
          {problem}
        </span>
      )}
    </div>
  );
}
