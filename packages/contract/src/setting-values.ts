/** How settings that several programs have are written; each throws the end of a sentence that begins with the name. */

/** An address or a name to listen on. */
export function host(value: string): string {
  const address6 = value.includes(':') && URL.canParse(`http://[${value}]`);
  if (!address6 && !/^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/i.test(value)) {
    throw new Error(
      `is "${value}". Give the address to listen on, such as 127.0.0.1, or 0.0.0.0 for all networks.`,
    );
  }
  return value;
}

/** A port to listen on; 0 takes any free one. */
export function port(value: string): number {
  return wholeNumber({ least: 0, most: 65_535, what: 'a port number, or 0 for any free one' })(value);
}

/** Scheme, host and port of a site. What may be a password is not repeated. */
export function origin(value: string): string {
  const url = URL.parse(value);
  if (!url || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
    throw new Error(`has "${value}". Give an address such as https://teach.example.org.`);
  }
  if (url.username || url.password || url.pathname !== '/' || url.search || url.hash) {
    const shown = value.replace(/\/\/[^/@]*@/, '//…@');
    throw new Error(`has "${shown}". Give only scheme, host and port, such as https://teach.example.org.`);
  }
  return url.origin;
}

/** Items between commas; empty ones are passed over. */
export function list(value: string): string[] {
  return value
    .split(',')
    .map((each) => each.trim())
    .filter((each) => each !== '');
}

/** `what` follows "Give". */
export function wholeNumber(limits: {
  readonly least: number;
  readonly most: number;
  readonly what: string;
}): (value: string) => number {
  const { least, most, what } = limits;
  return (value) => {
    const number = Number(value);
    if (!/^\d+$/.test(value) || number < least || number > most) {
      throw new Error(`is "${value}". Give ${what}: a whole number from ${least} to ${most}.`);
    }
    return number;
  };
}

/** What a seat may keep on its disk, given in GiB. */
export function diskMiB(value: string): number {
  const gibibytes = Number(value);
  if (!/^\d+(\.\d+)?$/.test(value) || gibibytes < 0.1 || gibibytes > 10_000) {
    throw new Error(`is "${value}". Give how many GiB a seat may keep, 0.1 to 10000.`);
  }
  return Math.round(gibibytes * 1024);
}

/** Throws where {@link diskMiB} is set for seats that it would not bound. */
export function requireNoDiskBound(seatDiskMiB: number | undefined, runtime: 'local' | 'firecracker'): void {
  if (seatDiskMiB === undefined) return;
  throw new Error(
    `SEAT_DISK_GIB bounds docker seats alone, and seats run in ${runtime} here. Leave it out, or set RUNTIME=docker.`,
  );
}
