type Viewport = Pick<VisualViewport, 'height' | 'scale' | 'addEventListener' | 'removeEventListener'>;

/**
 * Keeps `--seen-height` at what a keyboard on the screen leaves free, where the browser lays it over the page
 * (iOS). Returns what ends it.
 */
export function followSeenHeight(
  viewport: Viewport,
  { style }: HTMLElement,
  scrollUp: () => void,
): () => void {
  const follow = () => {
    // Two fingers enlarge a part of the page: that part is not all there is room for.
    if (viewport.scale > 1.01) return;
    style.setProperty('--seen-height', `${viewport.height}px`);
    // The browser has scrolled the page to show what has the focus; now that fits.
    scrollUp();
  };
  viewport.addEventListener('resize', follow);
  return () => {
    viewport.removeEventListener('resize', follow);
    style.removeProperty('--seen-height');
  };
}
