/** How many minutes before the end a learner is told, the last first. */
const MARKS = [5, 15] as const;

/** The mark that has been passed, in minutes before the end; undefined while the end is far. */
export function endMark(leftMs: number): (typeof MARKS)[number] | undefined {
  return MARKS.find((minutes) => leftMs <= minutes * 60_000);
}
