/** Where a command writes: data to stdout, everything that is said beside it to stderr. */
export interface Output {
  /** One line of data. */
  line(text: string): void;
  json(value: unknown): void;
  table(columns: readonly string[], rows: readonly (readonly string[])[]): void;
  /** Progress and remarks. */
  note(text: string): void;
}

export const terminalOutput: Output = {
  line: (text) => void process.stdout.write(`${text}\n`),
  json: (value) => void process.stdout.write(`${JSON.stringify(value, null, 2)}\n`),
  table: (columns, rows) => {
    for (const line of alignColumns(columns, rows)) process.stdout.write(`${line}\n`);
  },
  note: (text) => void process.stderr.write(`${text}\n`),
};

/** The lines of a table: columns as wide as their widest cell, two spaces between them. */
export function alignColumns(
  columns: readonly string[],
  rows: readonly (readonly string[])[],
): readonly string[] {
  const lines = [columns.map((name) => name.toUpperCase()), ...rows];
  const widths = columns.map((_, index) => Math.max(...lines.map((cells) => cells[index]?.length ?? 0)));
  return lines.map((cells) =>
    cells
      .map((cell, index) => cell.padEnd(widths[index] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}

/** `2026-03-01 14:05`, in the reader's own time zone. */
export function localTime(instant: string | null): string {
  if (instant === null) return '-';
  const date = new Date(instant);
  const two = (value: number) => String(value).padStart(2, '0');
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${two(date.getHours())}:${two(date.getMinutes())}`;
}
