import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { openTerminal, seatAddress } from '@clarateach/bench/terminal';
import type { BrowserContext, Page } from 'playwright-core';
import { noBrowser, openRoom, type Room } from '../browser/chromium.ts';
import { eventually } from '../platform/up.ts';
import { type HostileRoom, hostileRoom } from './room.ts';
import { bearer, say } from './wire.ts';

const ALARM = 'clarateachAlarm';
/** Each would ring the alarm where text is taken for markup, a script or an address. */
const PAYLOADS = [
  `<img src=x onerror=${ALARM}(1)>`,
  `"><svg onload=${ALARM}(2)>`,
  `<script>${ALARM}(3)</script>`,
  `'-${ALARM}(4)-'`,
  `javascript:${ALARM}(5)`,
  `</title><script>${ALARM}(6)</script>`,
];

/** A person's browser that notices scripts of others, and everything that the policy stopped. */
async function watched(
  room: Room,
): Promise<{ page: Page; context: BrowserContext; alarms: string[]; violations: string[] }> {
  const { page, context } = await room.person();
  const alarms: string[] = [];
  const violations: string[] = [];
  await context.exposeFunction(ALARM, (what: unknown) => void alarms.push(String(what)));
  await context.exposeFunction('clarateachViolation', (what: string) => void violations.push(what));
  await context.addInitScript(`addEventListener('securitypolicyviolation', (event) =>
    clarateachViolation(event.effectiveDirective + ' ' + event.blockedURI + ' ' + event.sourceFile + ' ' + event.sample))`);
  page.on('dialog', (dialog) => {
    alarms.push(dialog.message());
    void dialog.dismiss();
  });
  return { page, context, alarms, violations };
}

async function signIn(context: BrowserContext, room: HostileRoom): Promise<void> {
  const cookies = String(room.ben.browser.headers.cookie).split('; ');
  await context.addCookies(
    cookies.map((cookie) => {
      const at = cookie.indexOf('=');
      return { name: cookie.slice(0, at), value: cookie.slice(at + 1), url: room.server.url };
    }),
  );
}

async function joinAs(page: Page, url: string, code: string, name: string): Promise<void> {
  await page.goto(`${url}/join/${code}`);
  await page.getByLabel('Your name').fill(name);
  await page.getByRole('button', { name: 'Join workshop' }).click();
  await page.getByText('Connected', { exact: true }).waitFor();
}

/** Uses the parts of a workspace that draw by themselves: terminal, files, editor, an image, a menu. */
async function useWorkspace(page: Page): Promise<void> {
  await page.locator('.xterm-helper-textarea').focus();
  await page.keyboard.type(
    "clear; printf '\\e[1;3;4;31;42mcolours\\e[0m\\n'; echo 'const a = {b: [1]};' > code.ts",
  );
  await page.keyboard.press('Enter');
  const file = page.getByRole('treeitem', { name: /code\.ts/ });
  await file.dblclick();
  const editor = page.locator('.monaco-editor').first();
  await editor.waitFor();
  await editor.locator('.mtk1').first().waitFor();
  await editor.click();
  await page.keyboard.press('Control+End');
  await page.keyboard.type('consol');
  await page.keyboard.press('Control+f');
  await page.locator('.monaco-editor .find-widget').waitFor();
  await page.keyboard.type('a');
  await page.keyboard.press('Escape');
  await page.keyboard.press('F1');
  await page.keyboard.press('Escape');
}

const skip = noBrowser === undefined ? {} : { skip: noBrowser };

describe('pages in a hostile room', skip, () => {
  it('work under their policy: terminal, editor and files break no rule, and look as they should', async () => {
    await using hostile = await hostileRoom({ seats: 'local' });
    const room = await openRoom('hostile-policy');
    try {
      const { page, context, violations } = await watched(room);
      await signIn(context, hostile);
      await page.goto(`${hostile.server.url}/workshops/${hostile.workshop.id}`);
      await page.getByRole('listitem', { name: 'Seat 1', exact: true }).waitFor();
      await room.picture(page, 'workshop');
      const { workshop, code } = await anotherWorkshop(hostile);
      await joinAs(page, hostile.server.url, code, 'Ann');
      await useWorkspace(page);
      await room.picture(page, 'workspace');
      // The editor's and the terminal's own style elements act: their nonce is the page's.
      const colours = await page.evaluate<string[]>(
        `[...document.querySelectorAll('.monaco-editor .view-line span span')].map((each) => getComputedStyle(each).color)`,
      );
      assert.ok(new Set(colours).size > 1, `the editor has colours: ${colours}`);
      const { height } = (await page.locator('.xterm-screen').boundingBox()) ?? { height: 0 };
      assert.ok(height > 100, `the terminal is ${height} pixels high`);
      assert.deepEqual(violations, []);
      await hostile.ben.program.json(202, 'DELETE', `/api/workshops/${workshop}`);
    } finally {
      await room.close();
    }
  });

  it('take names of people, workshops and files for text, wherever they are shown', async () => {
    await using hostile = await hostileRoom({ seats: 'local' });
    const room = await openRoom('hostile-names');
    try {
      const { page, context, alarms, violations } = await watched(room);
      await signIn(context, hostile);
      for (const payload of [PAYLOADS[0], PAYLOADS[1], PAYLOADS[5]] as string[]) {
        const { id, code } = await hostile.server.createWorkshop(hostile.ben.program, {
          name: payload,
          seats: 1,
        });
        await hostile.ben.browser.json(201, 'POST', '/api/tokens', { name: payload });
        const learner = await watched(room);
        await joinAs(learner.page, hostile.server.url, code, payload);
        const session = await hostile.server.anyone.json<typeof hostile.ada>(200, 'POST', '/api/join', {
          code,
          name: payload,
          odehash: await odehashOf(learner.page),
        });
        for (const each of PAYLOADS) await nastyFiles(hostile, session, each);
        const name = payload.replaceAll('/', '').slice(0, 40);
        await learner.page.getByRole('treeitem', { name }).first().dblclick();
        await learner.page.getByRole('tab', { name }).first().waitFor();
        await room.picture(learner.page, 'workspace');
        await page.goto(`${hostile.server.url}/workshops/${id}`);
        await page
          .getByRole('listitem', { name: 'Seat 1', exact: true })
          .getByText(payload)
          .first()
          .waitFor();
        assert.deepEqual([learner.alarms, learner.violations], [[], []], payload);
        await learner.context.close();
        await hostile.ben.program.json(202, 'DELETE', `/api/workshops/${id}`);
      }
      await room.picture(page, 'workshop');
      for (const path of ['/', '/account/tokens', '/account']) {
        await page.goto(`${hostile.server.url}${path}`);
        await page.waitForLoadState('networkidle');
      }
      assert.deepEqual([alarms, violations], [[], []]);
    } finally {
      await room.close();
    }
  });

  it('take what a terminal prints for output: titles, links, clipboard, images and unfinished sequences', async () => {
    await using hostile = await hostileRoom({ seats: 'local' });
    const room = await openRoom('hostile-terminal');
    try {
      const { page, context, alarms, violations } = await watched(room);
      const { code } = await anotherWorkshop(hostile);
      await joinAs(page, hostile.server.url, code, 'Ann');
      await page.evaluate(`navigator.clipboard.writeText('kept to myself')`);
      const session = await hostile.server.anyone.json<typeof hostile.ada>(200, 'POST', '/api/join', {
        code,
        name: 'Ann',
        odehash: await odehashOf(page),
      });
      const terminal = await openTerminal(seatAddress(session));
      const title = await page.title();
      let output = '';
      const heard = terminal.until((chunk) => {
        output += chunk.toString();
        return output.includes('all-42');
      });
      for (const sequence of [
        ...PAYLOADS.flatMap((payload) => [
          `\\e]0;${payload}\\a`,
          `\\e]2;${payload}\\e\\\\`,
          `\\e]8;;${payload}\\a${payload}\\e]8;;\\a`,
        ]),
        `\\e]8;;javascript:${ALARM}(8)\\aclick\\e]8;;\\a`,
        '\\e]52;c;?\\a',
        '\\e]1337;File=inline=1:AAAA\\a',
        '\\eP+q544e\\e\\\\',
        '\\e[21t\\e[c\\e[>c\\e[5n\\e[6n',
        `\\e]7;file://evil/${PAYLOADS[1]}\\a`,
        '\\e]10;?\\a\\e]11;?\\a',
        '\\e[8;99999;99999t\\e[999999999b',
      ]) {
        terminal.write(` printf '%b' '${sequence.replaceAll("'", "'\\''")}'\r`);
      }
      terminal.write(" printf '\\e[0m\\n'; echo all-$((40+2))\r");
      await heard;
      await page.locator('.xterm-screen').click({ position: { x: 40, y: 60 }, modifiers: ['Control'] });
      await room.picture(page, 'terminal');
      // A program may fill the clipboard, as in every terminal, and never reads what is there.
      assert.doesNotMatch(output, new RegExp(Buffer.from('kept to myself').toString('base64').slice(0, 12)));
      assert.equal(await page.title(), title);
      assert.equal(context.pages().length, 1);
      assert.deepEqual([alarms, violations], [[], []]);
      await terminal.close();
    } finally {
      await room.close();
    }
  });

  it('hold no learner file that runs: it is sandboxed, kept from frames, and never guessed at', async () => {
    await using hostile = await hostileRoom({ seats: 'local' });
    const files = `${new URL(hostile.ada.endpoint).pathname}/vm/${hostile.ada.seat}/files`;
    const headers = bearer(hostile.ada.token);
    const page = `<script>${ALARM}(7)</script>`;
    for (const name of ['page.html', 'image.svg', 'style.css', 'script.js', 'plain', 'page.xhtml']) {
      await say(hostile.base, `${files}/content?path=${name}`, { method: 'PUT', headers, body: page });
      const answer = await say(hostile.base, `${files}/content?path=${name}`, { headers });
      assert.equal(answer.status, 200, name);
      const policy = String(answer.headers['content-security-policy']);
      assert.match(policy, /^sandbox; default-src 'none'; frame-ancestors 'none'$/, name);
      assert.equal(answer.headers['x-content-type-options'], 'nosniff', name);
      assert.equal(answer.headers['set-cookie'], undefined, name);
      assert.doesNotMatch(String(answer.headers['content-type']), /html|svg|xml|javascript/, name);
      // A browser that is led there brings no token.
      assert.equal((await say(hostile.base, `${files}/content?path=${name}`)).status, 401, name);
    }
  });

  it('the check notices markup that runs, and what the policy stops', async () => {
    await using hostile = await hostileRoom();
    const room = await openRoom('hostile-hole');
    try {
      const holed = await watched(room);
      await holed.context.route('**/*', async (route) => {
        const response = await route.fetch();
        const { 'content-security-policy': _, ...headers } = response.headers();
        await route.fulfill({ response, headers });
      });
      const guarded = await watched(room);
      for (const { page } of [holed, guarded]) {
        await page.goto(`${hostile.server.url}/join/${hostile.workshop.code}`);
        const markup = JSON.stringify(`${PAYLOADS[0]}<style>p{}</style>`);
        await page.evaluate(`document.body.insertAdjacentHTML('beforeend', ${markup})`);
      }
      await eventually('the alarm rings where there is no policy', async () => holed.alarms.length > 0);
      await eventually(
        'the policy reports the handler and the style',
        async () => guarded.violations.length >= 2,
      );
      assert.deepEqual(guarded.alarms, []);
      assert.match(guarded.violations.join('\n'), /script-src-attr/);
      assert.match(guarded.violations.join('\n'), /style-src-elem/);
    } finally {
      await room.close();
    }
  });
});

async function anotherWorkshop({ server, ben }: HostileRoom): Promise<{ workshop: string; code: string }> {
  const { id, code } = await server.createWorkshop(ben.program, { name: 'Another', seats: 1 });
  return { workshop: id, code };
}

async function odehashOf(page: Page): Promise<string> {
  return (await page.locator('.status-bar code').first().textContent()) ?? '';
}

/** Files whose names and contents are the payload, as a learner makes them. */
async function nastyFiles(
  { base }: HostileRoom,
  session: HostileRoom['ada'],
  payload: string,
): Promise<void> {
  const files = `${new URL(session.endpoint).pathname}/vm/${session.seat}/files`;
  const path = encodeURIComponent(payload.replaceAll('/', ''));
  const { status } = await say(base, `${files}/content?path=${path}`, {
    method: 'PUT',
    headers: bearer(session.token),
    body: payload,
  });
  assert.ok(status === 201 || status === 200, `${status}`);
}
