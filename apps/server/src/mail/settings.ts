/** Where mail goes out, and from whom. */
export interface MailSettings {
  /** `smtp://` or `smtps://`, with user and password where the server wants them. */
  readonly url: string;
  /** `Name <address>` or an address. */
  readonly from: string;
}

/** Says nothing of the value itself: it may hold a password. */
export function smtpUrl(value: string): string {
  const url = URL.parse(value);
  if (!url || !/^smtps?:$/.test(url.protocol) || url.hostname === '') {
    throw new Error(
      'is not the address of a mail server. Give smtp://user:password@mail.example.org:587 (STARTTLS) or ' +
        'smtps://…:465, with special characters of the password percent-encoded.',
    );
  }
  return value;
}

export function mailFrom(value: string): string {
  const address = /<([^<>]*)>$/.exec(value)?.[1] ?? value;
  if (!/^[^\s@<>"]+@[^\s@<>"]+$/.test(address) || /[\r\n]/.test(value)) {
    throw new Error(`is "${value}". Give an address such as ClaraTeach <noreply@example.org>.`);
  }
  return value;
}
