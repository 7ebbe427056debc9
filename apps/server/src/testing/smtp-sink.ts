import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { SMTPServer } from 'smtp-server';
import { freePort } from './free-port.ts';

export interface ReceivedMail {
  readonly to: readonly string[];
  readonly subject: string;
  readonly text: string;
  /** Undefined for a mail of plain text alone. */
  readonly html: string | undefined;
  /** The first link in the text. */
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
  const { head, parts } = split(raw.replaceAll('\r\n', '\n'));
  const bodyOf = (type: string) => parts.find((part) => part.type === type)?.body;
  const plain = bodyOf('text/plain') ?? '';
  return {
    to,
    subject: /^subject: (.*)$/im.exec(head)?.[1]?.trim() ?? '',
    text: plain,
    html: bodyOf('text/html'),
    link: /https?:\/\/\S+/.exec(plain)?.[0],
  };
}

/** A mail's head and, for one of alternatives, each of them. */
function split(raw: string): { head: string; parts: readonly { type: string; body: string }[] } {
  const end = raw.indexOf('\n\n');
  const head = raw.slice(0, end).replace(/\n[ \t]+/g, ' ');
  const body = raw.slice(end + 2);
  const boundary = /^content-type: multipart\/.*boundary="?([^";]+)/im.exec(head)?.[1];
  if (boundary !== undefined) {
    const inner = body.split(`--${boundary}`).slice(1, -1);
    return { head, parts: inner.flatMap((part) => split(part.replace(/^\n/, '')).parts) };
  }
  const type = /^content-type: ([^;\s]+)/im.exec(head)?.[1]?.toLowerCase() ?? 'text/plain';
  const encoding = /^content-transfer-encoding: (\S+)/im.exec(head)?.[1]?.toLowerCase();
  return { head, parts: [{ type, body: decoded(body, encoding) }] };
}

function decoded(body: string, encoding: string | undefined): string {
  if (encoding === 'base64') return Buffer.from(body, 'base64').toString();
  if (encoding !== 'quoted-printable') return body;
  const bytes = body
    .replaceAll(/=\n/g, '')
    .replaceAll(/=([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return Buffer.from(bytes, 'latin1').toString();
}
