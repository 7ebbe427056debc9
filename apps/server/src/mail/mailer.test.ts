import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { freePort } from '../testing/free-port.ts';
import { smtpSink } from '../testing/smtp-sink.ts';
import { openMailer } from './mailer.ts';

const FROM = 'ClaraTeach <noreply@example.org>';
const MAIL = { to: 'ada@example.org', subject: 'Sign in', text: 'Open\n\nhttp://localhost:8080/enter#abc\n' };
const fail = (error: unknown) => {
  throw error;
};

describe('mail', () => {
  it('goes out by the mail server, with user and password where it wants them', async () => {
    await using sink = await smtpSink({ password: 'p@ss' });
    const url = `smtp://clarateach:p%40ss@127.0.0.1:${sink.port}`;
    const mailer = await openMailer({ settings: { url, from: FROM }, print: undefined, onError: fail });
    await mailer.send(MAIL);
    const got = await sink.take(MAIL.to);
    assert.deepEqual([got.subject, got.link], [MAIL.subject, 'http://localhost:8080/enter#abc']);
    assert.equal(got.text.trim(), MAIL.text.trim());
    assert.match(got.html ?? '', /<a [^>]*href="http:\/\/localhost:8080\/enter#abc"/);
    await mailer.close();
  });

  it('stops the start when the mail server refuses the password, and never shows it', async () => {
    await using sink = await smtpSink({ password: 'right' });
    const url = `smtp://clarateach:hunter2@127.0.0.1:${sink.port}`;
    await assert.rejects(
      openMailer({ settings: { url, from: FROM }, print: undefined, onError: fail }),
      ({ message }: Error) =>
        /^SMTP_URL: .*refuses the user or the password/.test(message) && !message.includes('hunter2'),
    );
  });

  it('is tried again beside the requests while the mail server is away, which stops no start', async () => {
    const port = await freePort();
    const errors: unknown[] = [];
    const mailer = await openMailer({
      settings: { url: `smtp://127.0.0.1:${port}`, from: FROM },
      print: undefined,
      onError: (error) => errors.push(error),
      retryAfterMs: [0, 0],
    });
    assert.match((errors.pop() as Error).message, /^SMTP_URL: .*does not answer/);
    await assert.rejects(mailer.send(MAIL));
    mailer.later(async () => MAIL);
    mailer.later(async () => undefined);
    await mailer.close();
    assert.equal(errors.length, 1);
  });

  it('on its way when the server ends still goes out', async () => {
    await using sink = await smtpSink();
    const mailer = await openMailer({
      settings: { url: sink.url, from: FROM },
      print: undefined,
      onError: fail,
    });
    mailer.later(async () => MAIL);
    await mailer.close();
    assert.equal(sink.mails.length, 1);
  });

  it('is shown where there is no mail server and somebody develops, and cannot be sent elsewhere', async () => {
    const printed: string[] = [];
    const shown = await openMailer({
      settings: undefined,
      print: (line) => void printed.push(line),
      onError: fail,
    });
    await shown.send(MAIL);
    assert.equal(shown.kind, 'printed');
    assert.match(printed.join(), /ada@example\.org: Sign in[\s\S]*enter#abc/);
    const none = await openMailer({ settings: undefined, print: undefined, onError: fail });
    assert.equal(none.kind, 'none');
    await assert.rejects(none.send(MAIL));
  });
});
