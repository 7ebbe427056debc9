import { FitAddon } from '@xterm/addon-fit';
import { Terminal } from '@xterm/xterm';
import { copyText } from '../../ui/clipboard.ts';
import type { Theme } from '../../ui/theme.ts';
import { toast } from '../../ui/toast.ts';
import { XTERM_THEMES } from './xterm-theme.ts';
import '@xterm/xterm/css/xterm.css';

export interface ScreenOptions {
  readonly theme: Theme;
  readonly screenReader: boolean;
  /** Bytes for the shell: keys, pastes, mouse reports. */
  readonly onInput: (input: Uint8Array<ArrayBuffer>) => void;
  readonly onResize: (cols: number, rows: number) => void;
}

export interface Screen {
  readonly terminal: Terminal;
  /** Adapts columns and rows to the element's size. */
  fit(): void;
  dispose(): void;
}

const F6 = '\x1b[17~';

/** Keys that belong to the page or the clipboard rather than to the shell. */
function handleKeys(terminal: Terminal, send: (text: string) => void): void {
  terminal.attachCustomKeyEventHandler((event) => {
    const { key, ctrlKey, shiftKey, altKey, metaKey } = event;
    if (key === 'F6' && !altKey && !metaKey) {
      // F6 leaves the terminal, as it moves between the regions of the page; Ctrl+F6 is the shell's.
      if (ctrlKey && event.type === 'keydown') send(F6);
      return false;
    }
    const copies = ctrlKey && key.toLowerCase() === 'c' && (shiftKey || terminal.hasSelection());
    if (copies && !altKey && !metaKey && terminal.hasSelection()) {
      if (event.type === 'keydown') {
        event.preventDefault();
        // A selection that could not be copied stays, to be copied by the browser's own menu.
        void copyText(terminal.getSelection()).then((copied) => {
          if (copied) terminal.clearSelection();
          else toast('The browser did not let this be copied. The text is still selected.', 'bad');
        });
      }
      return false;
    }
    // The browser pastes by itself; the shell must not see the key as well.
    return !(ctrlKey && shiftKey && key.toLowerCase() === 'v');
  });
}

export function openScreen(element: HTMLElement, options: ScreenOptions): Screen {
  const calm = window.matchMedia('(prefers-reduced-motion: reduce)').matches;
  const terminal = new Terminal({
    theme: XTERM_THEMES[options.theme],
    fontFamily: getComputedStyle(element).getPropertyValue('--mono'),
    fontSize: 14,
    lineHeight: 1.15,
    scrollback: 10_000,
    cursorBlink: !calm,
    minimumContrastRatio: 4.5,
    // On a Mac, Option types @ [ ] { } | \ ~ on most keyboards of Europe; Esc stands in for Meta.
    macOptionIsMeta: false,
    rightClickSelectsWord: true,
    screenReaderMode: options.screenReader,
  });
  const fit = new FitAddon();
  terminal.loadAddon(fit);
  terminal.open(element);
  fit.fit();

  const encoder = new TextEncoder();
  const send = (text: string) => options.onInput(encoder.encode(text));
  terminal.onData(send);
  terminal.onBinary((text) => options.onInput(Uint8Array.from(text, (char) => char.charCodeAt(0))));
  terminal.onResize(({ cols, rows }) => options.onResize(cols, rows));
  handleKeys(terminal, send);

  return {
    terminal,
    fit: () => fit.fit(),
    dispose: () => terminal.dispose(),
  };
}
