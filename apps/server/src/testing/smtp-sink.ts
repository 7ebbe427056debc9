import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { SMTPServer } from 'smtp-server';
import { freePort } from './free-port.ts';

export interface ReceivedMail {
  readonly to: readonly string[];
  readonly subject: string;
  readonly text: string;
  /** The first link in it. */
  readonly link: string | undefined;
}

/** A mail server of the loopback interface that keeps what it is given. */
export interface SmtpSink extends AsyncDisposable {
  readonly port: number;
  readonly url: string;
  readonly mails: readonly ReceivedMail[];
  /** The next mail to the address that nobody took yet; fails after five seconds. */
  take(to: string): Promise<ReceivedMail>;
}

/** `password`: what the user `clarateach` has to give; without it, anybody may send. */
export async function smtpSink(options: { readonly password?: string } = {}): Promise<SmtpSink> {
  const mails: ReceivedMail[] = [];
  const taken = new Set<ReceivedMail>();
  const port = await freePort();
  const server = new SMTPServer({
    disabledCommands: ['STARTTLS'],
    authOptional: options.password === undefined,
    allowInsecureAuth: true,
    onAuth: ({ password }, _session, done) =>
      done(password === options.password ? null : new Error('no'), { user: 'clarateach' }),
    onData: (stream, { envelope }, done) => {
      text(stream).then((raw) => {
        mails.push(
          parse(
            envelope.rcptTo.map(({ address }) => address),
            raw,
          ),
        );
        done();
      }, done);
    },
  });
  // A client that goes away in the middle is no failure of the sink.
  server.on('error', () => undefined);
  server.listen(port, '127.0.0.1');
  await once(server.server, 'listening');
  return {
    port,
    url: `smtp://127.0.0.1:${port}`,
    mails,
    async take(to) {
      const deadline = Date.now() + 5_000;
      for (;;) {
        const mail = mails.find((each) => each.to.includes(to) && !taken.has(each));
        if (mail) {
          taken.add(mail);
          return mail;
        }
        if (Date.now() > deadline) throw new Error(`No mail came to ${to}.`);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    },
    [Symbol.asyncDispose]: () => new Promise<void>((resolve) => server.close(() => resolve())),
  };
}

function parse(to: readonly string[], raw: string): ReceivedMail {
  const end = raw.indexOf('\r\n\r\n');
  const head = raw.slice(0, end);
  const quoted = /^content-transfer-encoding: quoted-printable/im.test(head);
  const body = raw.slice(end + 4).replaceAll('\r\n', '\n');
  const plain = quoted
    ? body
        .replaceAll(/=\n/g, '')
        .replaceAll(/=([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
    : body;
  return {
    to,
    subject: /^subject: (.*)$/im.exec(head)?.[1]?.trim() ?? '',
    text: plain,
    link: /https?:\/\/\S+/.exec(plain)?.[0],
  };
}
