import { mkdir, writeFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';

/** One measured quantity; a lower number is better unless the comparison says otherwise. */
export interface Side {
  readonly name: string;
  /** One round's figure. Throws when the work was not done right: a wrong result has no speed. */
  measure(round: number): Promise<number>;
}

export interface Comparison {
  readonly name: string;
  readonly unit: string;
  readonly product: Side;
  readonly peer: Side;
  /** What product ÷ peer should be; printed beside the ratio, never asserted. */
  readonly target: string;
}

export interface Result {
  readonly name: string;
  readonly unit: string;
  readonly rounds: number;
  readonly product: Summary;
  readonly peer: Summary;
  readonly ratio: number;
  readonly target: string;
}

interface Summary {
  readonly name: string;
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

const FULL_ROUNDS = 5;
const SHORT_ROUNDS = 1;

/** `--short` is one round, for correctness; a full run is at least five. */
export const options = parseArgs({
  options: {
    short: { type: 'boolean', default: false },
    rounds: { type: 'string' },
    runtime: { type: 'string' },
    seats: { type: 'string' },
  },
}).values;
export const rounds = options.rounds ? Number(options.rounds) : options.short ? SHORT_ROUNDS : FULL_ROUNDS;

/** Runs both sides in turn, so that a busy moment of the machine meets both. */
export async function compare(comparison: Comparison): Promise<Result> {
  const figures = { product: [] as number[], peer: [] as number[] };
  for (let round = 1; round <= rounds; round++) {
    figures.product.push(await comparison.product.measure(round));
    figures.peer.push(await comparison.peer.measure(round));
  }
  const product = summarize(comparison.product.name, figures.product);
  const peer = summarize(comparison.peer.name, figures.peer);
  const { name, unit, target } = comparison;
  const result = { name, unit, rounds, product, peer, ratio: product.median / peer.median, target };
  print(result);
  return result;
}

/** Writes the results of one benchmark to `results/<name>.json`. */
export async function save(name: string, results: readonly Result[]): Promise<void> {
  const directory = new URL('./results/', import.meta.url);
  await mkdir(directory, { recursive: true });
  const text = JSON.stringify(
    { name, at: new Date().toISOString(), node: process.version, cores: cpus().length, results },
    null,
    2,
  );
  await writeFile(new URL(`${name}.json`, directory), `${text}\n`);
}

export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const value = sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * share) - 1)];
  if (value === undefined) throw new Error('There is nothing to take a percentile of.');
  return value;
}

function summarize(name: string, values: readonly number[]): Summary {
  return { name, median: percentile(values, 0.5), min: Math.min(...values), max: Math.max(...values) };
}

function print({ name, unit, product, peer, ratio, target }: Result): void {
  const figure = ({ name, median, min, max }: Summary) =>
    `${name} ${round(median)} ${unit} (${round(min)}–${round(max)})`;
  console.log(`${name}: ${figure(product)}, ${figure(peer)}, ratio ${ratio.toFixed(2)} (target ${target})`);
}

function round(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toFixed(value >= 10 ? 1 : 2);
}
