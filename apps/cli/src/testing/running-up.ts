import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';

const START_DEADLINE_MS = 240_000;
const END_DEADLINE_MS = 60_000;

/** A `clarateach up` of its own, as a person would run it. */
export class RunningUp {
  readonly lines: string[] = [];
  readonly #child: ChildProcessByStdio<null, Readable, Readable>;
  readonly #ended: Promise<number | null>;
  #stderr = '';
  #told = Promise.withResolvers<void>();

  constructor(args: readonly string[], settings: Readonly<Record<string, string>> = {}) {
    const { DATABASE_URL: _database, DATA_DIR: _data, RUNTIME: _runtime, ...env } = process.env;
    this.#child = spawn(process.execPath, [join(import.meta.dirname, '..', 'main.ts'), 'up', ...args], {
      env: { ...env, LOG_LEVEL: 'warn', ...settings },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const ended = once(this.#child, 'close') as Promise<[number | null]>;
    this.#ended = ended.then(([code]) => code);
    void this.#ended.then(() => this.#tell());
    this.#child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr += text;
    });
    createInterface({ input: this.#child.stdout }).on('line', (line) => {
      this.lines.push(line);
      this.#tell();
    });
  }

  #tell(): void {
    this.#told.resolve();
    this.#told = Promise.withResolvers();
  }

  get stderr(): string {
    return this.#stderr;
  }

  /** What a line says after `start`; throws when the process ends, or takes too long, before it. */
  async line(start: string): Promise<string> {
    const deadline = Date.now() + START_DEADLINE_MS;
    for (;;) {
      const found = this.lines.find((line) => line.startsWith(start));
      if (found !== undefined) return found.slice(start.length);
      if (this.#child.exitCode !== null || Date.now() > deadline) {
        throw new Error(`No line "${start}" came.\n${this.lines.join('\n')}\n${this.#stderr}`);
      }
      const told = this.#told.promise;
      const timer = setTimeout(() => this.#tell(), 1_000);
      await told;
      clearTimeout(timer);
    }
  }

  /** Sends the signal, and the exit code after it; kills what does not end in time. */
  async end(signal: NodeJS.Signals): Promise<number | null> {
    this.#child.kill(signal);
    const kill = setTimeout(() => this.#child.kill('SIGKILL'), END_DEADLINE_MS);
    try {
      return await this.#ended;
    } finally {
      clearTimeout(kill);
    }
  }

  exitCode(): Promise<number | null> {
    return this.#ended;
  }
}
