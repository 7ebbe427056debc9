/** What a program is told from outside, by name. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** One line for each setting that is wrong: its name, what is wrong, and what to do. */
export class ConfigError extends Error {
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(problems.join('\n'));
    this.name = 'ConfigError';
    this.problems = problems;
  }
}

/** Reads settings one by one, and tells at the end all that is wrong at once. */
export interface SettingsReader {
  /**
   * The setting as `parse` understands it; `fallback` when there is none, when it is empty, or when it is
   * wrong. What `parse` throws ends the sentence that begins with the setting's name.
   */
  read<T>(name: string, fallback: T, parse: (value: string) => T): T;
  /** Settings that are each right may be wrong together; the line begins with the name of one. */
  readonly problem: (line: string) => void;
  isWrong(name: string): boolean;
  /** Throws a {@link ConfigError} that names all that is wrong. */
  check(): void;
}

export function settingsReader(env: Environment): SettingsReader {
  const problems: string[] = [];
  return {
    read(name, fallback, parse) {
      const value = env[name]?.trim();
      if (value === undefined || value === '') return fallback;
      try {
        return parse(value);
      } catch (error) {
        problems.push(`${name} ${(error as Error).message}`);
        return fallback;
      }
    },
    problem(line) {
      problems.push(line);
    },
    isWrong: (name) => problems.some((line) => line.startsWith(`${name} `)),
    check() {
      if (problems.length > 0) throw new ConfigError(problems);
    },
  };
}
