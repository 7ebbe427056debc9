import { ClipboardAddon } from '@xterm/addon-clipboard';
import { WebLinksAddon } from '@xterm/addon-web-links';
import { WebglAddon } from '@xterm/addon-webgl';
import { copyText } from '../../ui/clipboard.ts';
import type { Screen } from './screen.ts';

/** What a terminal can do without for its first prompt: links, the clipboard, drawing with the graphics card. */
export function enrich(screen: Screen): void {
  const { terminal } = screen;
  terminal.loadAddon(
    new WebLinksAddon((event, uri) => {
      event.preventDefault();
      window.open(uri, '_blank', 'noopener,noreferrer');
    }),
  );
  // Programs may put text on the clipboard (OSC 52) and never read what is there.
  terminal.loadAddon(
    new ClipboardAddon(undefined, {
      readText: () => '',
      writeText: async (_selection, text) => void (await copyText(text)),
    }),
  );
  try {
    const webgl = new WebglAddon();
    webgl.onContextLoss(() => {
      webgl.dispose();
      screen.fit();
    });
    terminal.loadAddon(webgl);
    // Its cells have whole pixels, so other columns fit than before.
    screen.fit();
  } catch {
    // No WebGL2: the DOM renderer stays.
  }
}
