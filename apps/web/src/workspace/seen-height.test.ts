import assert from 'node:assert/strict';
import { test } from 'node:test';
import { followSeenHeight } from './seen-height.ts';

test('the page is as high as what is seen of it, but not when fingers enlarge a part', () => {
  const viewport = Object.assign(new EventTarget(), { height: 844, scale: 1 });
  const set = new Map<string, string>();
  const style = {
    setProperty: (name: string, value: string) => set.set(name, value),
    removeProperty: (name: string) => set.delete(name),
  };
  let scrolled = 0;
  const end = followSeenHeight(viewport as never, { style } as never, () => {
    scrolled += 1;
  });
  const resize = (height: number, scale = 1) => {
    Object.assign(viewport, { height, scale });
    viewport.dispatchEvent(new Event('resize'));
  };
  assert.equal(set.size, 0, 'until something covers the page, its style says how high it is');
  resize(420);
  assert.equal(set.get('--seen-height'), '420px');
  assert.equal(scrolled, 1);
  resize(210, 2);
  assert.equal(set.get('--seen-height'), '420px');
  resize(844);
  assert.equal(set.get('--seen-height'), '844px');
  end();
  assert.equal(set.size, 0);
});
