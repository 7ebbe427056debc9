import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { watchSleep } from './sleep-watch.ts';

class Page extends EventTarget {
  hidden = false;

  show(hidden: boolean): void {
    this.hidden = hidden;
    this.dispatchEvent(new Event('visibilitychange'));
  }
}

function setUp(t: TestContext) {
  t.mock.timers.enable({ apis: ['setInterval'] });
  const page = new Page();
  let now = 0;
  let slept = 0;
  const onSlept = () => {
    slept += 1;
  };
  const end = watchSleep({ document: page as never, now: () => now, onSlept });
  return {
    page,
    end,
    slept: () => slept,
    /** Time passes, with timers as the browser lets them run: one after so many milliseconds. */
    pass(ms: number, every: number) {
      for (let passed = 0; passed < ms; passed += every) {
        now += every;
        t.mock.timers.tick(5_000);
      }
    },
  };
}

test('a page that is seen has slept when its clock jumps, once for each time', (t) => {
  const { slept, pass, end } = setUp(t);
  pass(120_000, 5_000);
  assert.equal(slept(), 0);
  pass(3_600_000, 3_600_000);
  assert.equal(slept(), 1);
  pass(60_000, 5_000);
  assert.equal(slept(), 1);
  end();
  pass(3_600_000, 3_600_000);
  assert.equal(slept(), 1);
});

test('a hidden page, whose timers run once a minute, is told of when it is seen again', (t) => {
  const { page, slept, pass } = setUp(t);
  page.show(true);
  pass(1_800_000, 60_000);
  assert.equal(slept(), 0);
  page.show(false);
  assert.equal(slept(), 1);
  pass(60_000, 5_000);
  assert.equal(slept(), 1);
});

test('a look at another page for a moment is nothing', (t) => {
  const { page, slept, pass } = setUp(t);
  pass(30_000, 5_000);
  page.show(true);
  pass(10_000, 5_000);
  page.show(false);
  assert.equal(slept(), 0);
});
