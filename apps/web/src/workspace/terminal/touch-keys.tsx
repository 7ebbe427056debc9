const KEYS = [
  ['Esc', '\x1b', 'Escape'],
  ['Tab', '\t', 'Tab'],
  ['^C', '\x03', 'Control C: interrupt'],
  ['^D', '\x04', 'Control D: end of input'],
  ['↑', '\x1b[A', 'Up'],
  ['↓', '\x1b[B', 'Down'],
  ['←', '\x1b[D', 'Left'],
  ['→', '\x1b[C', 'Right'],
  ['|', '|', 'Pipe'],
  ['~', '~', 'Tilde'],
] as const;

interface TouchKeysProps {
  readonly onKey: (text: string) => void;
  readonly onDone: () => void;
}

/** Keys that a tablet's keyboard lacks; shown where the pointer is a finger. */
export function TouchKeys({ onKey, onDone }: TouchKeysProps) {
  return (
    <div className="touch-keys" role="toolbar" aria-label="Keys for the terminal">
      {KEYS.map(([text, input, label]) => (
        <button
          key={text}
          type="button"
          aria-label={label}
          // Keeps the keyboard on the screen: the terminal does not lose the focus.
          onPointerDown={(event) => event.preventDefault()}
          onClick={() => {
            onKey(input);
            onDone();
          }}
        >
          {text}
        </button>
      ))}
    </div>
  );
}
