/** The connection of a viewer, as the shell sees it. */
export interface ViewerLink {
  readonly mode: 'write' | 'read';
  /** Bytes handed over that the kernel has not taken. */
  readonly bufferedBytes: number;
  /** Says which number the next byte has; again whenever bytes are left out. */
  ready(offset: number): void;
  /** `sent` is called when the bytes are no longer needed. */
  output(bytes: Buffer, sent: () => void): void;
  /** Several outputs in one go. */
  batch(work: () => void): void;
  exit(code: number): void;
}

export interface Viewer {
  acknowledge(bytes: number): void;
  resize(cols: number, rows: number): void;
  input(data: Buffer): void;
  /** The connection is gone. `kept`: it broke, and is expected back. */
  detach(reason: 'broken' | 'closed'): void;
}
