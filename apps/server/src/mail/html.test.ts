import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { accessCodeLetter } from '../entry/letters.ts';
import { mails } from '../people/mails.ts';
import { mailHtml } from './html.ts';

const LINK = 'https://clarateach.example/enter#a-b_c';

/** What a reader of the HTML sees, without what only programs read. */
function seen(html: string): string {
  return html
    .replace(/<head>[\s\S]*<\/head>/, '')
    .replace(/<[^>]+>/g, ' ')
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&quot;', '"')
    .replaceAll('&amp;', '&');
}

const words = (text: string) =>
  text
    .toLowerCase()
    .split(/[\s:]+/)
    .filter((word) => word !== '');

const letter = accessCodeLetter({
  workshop: { name: 'Claude & <i>friends</i> https://evil.example/' },
  registration: { name: '"><script>alert(1)</script>', accessCode: 'ABCDEFGHIJ', state: 'confirmed' },
  joinUrl: 'https://clarateach.example/join/ABCDEFGHIJ',
});

describe('the HTML of a mail', () => {
  it('says every word of the plain text, in its order', () => {
    for (const mail of [
      mails.signIn('ada@example.org', LINK, 15),
      mails.invitation('ada@example.org', LINK, { role: 'instructor', days: 7 }),
      mails.addressNotConfirmed('ada@example.org', 'https://clarateach.example'),
      letter,
    ]) {
      const shown = words(seen(mailHtml(mail)));
      let at = 0;
      for (const word of words(mail.text)) {
        const found = shown.indexOf(word, at);
        assert.notEqual(found, -1, `${mail.subject}: ${word}`);
        at = found + 1;
      }
    }
  });

  it('makes a link of what stands alone, and of nothing that people typed', () => {
    const html = mailHtml(mails.signIn('ada@example.org', LINK, 15));
    assert.deepEqual(new Set(html.match(/href="[^"]*"/g)), new Set([`href="${LINK}"`]));
    const typed = mailHtml(letter);
    assert.deepEqual(
      new Set(typed.match(/href="[^"]*"/g)),
      new Set(['href="https://clarateach.example/join/ABCDEFGHIJ"']),
    );
    assert.doesNotMatch(typed, /<script|<i>/);
  });

  it('loads nothing: no pictures, no style sheets, no trackers', () => {
    for (const mail of [mails.resetPassword('ada@example.org', LINK, 60), letter]) {
      assert.doesNotMatch(mailHtml(mail), /<(img|link|script|iframe)|src=|url\(|@import/i);
    }
  });
});
