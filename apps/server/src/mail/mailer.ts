import { createTransport } from 'nodemailer';
import { isLoopback } from '../loopback.ts';
import { mailHtml } from './html.ts';
import type { MailSettings } from './settings.ts';

const CONNECT_MS = 10_000;
const ANSWER_MS = 20_000;
/** A mail server that greylists or restarts takes the second or the third. */
const RETRY_AFTER_MS = [5_000, 60_000];
const DRAIN_MS = 5_000;

export interface Mail {
  readonly to: string;
  readonly subject: string;
  readonly text: string;
}

/** Sends mail. `kind` says what becomes of it. */
export interface Mailer {
  /** `smtp`: sent. `printed`: shown to whoever develops on this machine. `none`: nothing can be sent. */
  readonly kind: 'smtp' | 'printed' | 'none';
  /** Resolves when a mail server has taken it; throws when it did not, at the first try. */
  send(mail: Mail): Promise<void>;
  /** Does work that may end in a mail, beside the request that asked: its answer tells nothing of it. */
  later(work: () => Promise<Mail | undefined>): void;
  /** Waits for what is on its way, within reason. */
  close(): Promise<void>;
}

/** Where nothing can be mailed. */
export const noMailer: Mailer = {
  kind: 'none',
  send: async () => {
    throw new Error('No mail can be sent: SMTP_URL is not set.');
  },
  later: () => {},
  close: async () => {},
};

export interface MailerDeps {
  readonly settings: MailSettings | undefined;
  /** Without settings: shows mail to whoever runs the server; undefined where learners could see it. */
  readonly print: ((line: string) => void) | undefined;
  readonly onError: (error: unknown) => void;
  readonly retryAfterMs?: readonly number[];
}

/**
 * Asks the mail server once whether it takes us. Throws, with a message for people, when it refuses the
 * password; one that only does not answer is told to `onError`, because a class must not wait for it.
 */
export async function openMailer(deps: MailerDeps): Promise<Mailer> {
  const { settings, print, onError, retryAfterMs = RETRY_AFTER_MS } = deps;
  if (!settings && !print) return noMailer;
  const transport = settings && (await connect(settings, onError));
  const closing = new AbortController();
  const underWay = new Set<Promise<void>>();

  const send = async (mail: Mail): Promise<void> => {
    if (transport) {
      await transport.sendMail({ ...mail, html: mailHtml(mail), from: settings.from });
    } else {
      print?.(`Mail to ${mail.to}: ${mail.subject}\n${mail.text.replace(/^/gm, '  ')}`);
    }
  };

  const persist = async (mail: Mail): Promise<void> => {
    for (const waitMs of retryAfterMs) {
      try {
        return await send(mail);
      } catch (error) {
        if (isPermanent(error) || closing.signal.aborted) throw error;
        await pause(waitMs, closing.signal);
      }
    }
    await send(mail);
  };

  return {
    kind: transport ? 'smtp' : 'printed',
    send,
    later(work) {
      const done = (async () => {
        const mail = await work();
        if (mail) await persist(mail);
      })()
        .catch(onError)
        .finally(() => underWay.delete(done));
      underWay.add(done);
    },
    async close() {
      closing.abort();
      const drained = new AbortController();
      await Promise.race([Promise.all(underWay), pause(DRAIN_MS, drained.signal)]);
      drained.abort();
      transport?.close();
    },
  };
}

async function connect({ url }: MailSettings, onError: (error: unknown) => void) {
  const { protocol, username, hostname } = new URL(url);
  const transport = createTransport({
    url,
    // A password never goes over a network in the clear, also where somebody cuts STARTTLS out.
    requireTLS: protocol === 'smtp:' && username !== '' && !isLoopback(hostname),
    connectionTimeout: CONNECT_MS,
    greetingTimeout: CONNECT_MS,
    socketTimeout: ANSWER_MS,
    // What a mail holds is ours; nothing of it is a path or an address to fetch.
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  try {
    await transport.verify();
  } catch (error) {
    if ((error as { code?: unknown }).code === 'EAUTH') {
      transport.close();
      throw new Error(
        `SMTP_URL: the mail server ${new URL(url).host} refuses the user or the password. Correct them, with special characters percent-encoded.`,
        { cause: error },
      );
    }
    onError(
      new Error(
        `SMTP_URL: the mail server ${new URL(url).host} does not answer as it should. The server starts all the same; mail is tried when it is due.`,
        { cause: error },
      ),
    );
  }
  return transport;
}

/** A mail server's 5xx, or what it was given to send, will be the same the next time. */
function isPermanent(error: unknown): boolean {
  const { responseCode, code } = error as { responseCode?: number; code?: string };
  return (responseCode !== undefined && responseCode >= 500) || code === 'EENVELOPE' || code === 'EAUTH';
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const timer = setTimeout(resolve, ms);
    signal.addEventListener('abort', () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
