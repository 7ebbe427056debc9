/** Answers of a terminal to questions about its make: device attributes and version, and nothing else. */
const REPORTS = /^(?:\x1b\[[>?][\d;]*c|\x1bP[>!]\|[^\x1b]*\x1b\\)+$/;
const REPORT_BYTES = 256;

/**
 * tmux asks once, when it takes the PTY; every viewer that is sent those bytes again answers again, and
 * tmux would type a late answer into the shell. Programs inside tmux are answered by tmux, so none misses it.
 */
export function isReport(data: Buffer): boolean {
  return data[0] === 0x1b && data.length <= REPORT_BYTES && REPORTS.test(data.toString('latin1'));
}
