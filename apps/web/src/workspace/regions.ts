/** The order in which F6 goes through the workspace. */
const ORDER = ['activity', 'files', 'editor', 'terminal', 'preview', 'end', 'status'];

/** Where the keyboard lands in a region: what was chosen last, the editing surface, or the first control. */
const ENTRIES =
  '[data-region-entry], .xterm-helper-textarea, .native-edit-context, .monaco-editor textarea, button:not(:disabled), a[href], input, iframe';

function entryOf(region: ParentNode): HTMLElement | undefined {
  return ENTRIES.split(', ')
    .map((selector) => region.querySelector<HTMLElement>(selector))
    .find((element) => element !== null);
}

/** The regions that are there and can take the focus, in their order. */
function regionsOf(root: ParentNode): HTMLElement[] {
  return [...root.querySelectorAll<HTMLElement>('[data-region]')]
    .filter((region) => region.getClientRects().length > 0 && entryOf(region) !== undefined)
    .sort((a, b) => ORDER.indexOf(a.dataset.region ?? '') - ORDER.indexOf(b.dataset.region ?? ''));
}

export function focusRegion(name: string): void {
  const region = regionsOf(document).find(({ dataset }) => dataset.region === name);
  if (region) entryOf(region)?.focus();
}

/** Moves the focus to the next region, or the one before. */
export function cycleRegion(step: 1 | -1): void {
  const regions = regionsOf(document);
  const here = regions.findIndex((region) => region.contains(document.activeElement));
  const next = regions[(here + step + regions.length) % regions.length];
  const name = here < 0 ? 'terminal' : next?.dataset.region;
  if (name !== undefined) focusRegion(name);
}
