import { api } from '@clarateach/contract/api';
import type { TestClient } from '@clarateach/server/testing/server';
import fc from 'fast-check';
import { type Schema, valid } from './schema-arbitrary.ts';

const CALLERS = ['anyone', 'learner', 'instructor', 'admin'] as const;
export type StatedCaller = (typeof CALLERS)[number];

interface Parameter {
  readonly name: string;
  readonly in: 'path' | 'query' | 'header';
  readonly required?: boolean;
  readonly schema?: Schema;
}

/** One operation of the OpenAPI document. */
export interface Operation {
  readonly operationId: string;
  readonly method: string;
  readonly path: string;
  readonly parameters: readonly Parameter[];
  readonly body: Schema | undefined;
  /** What the contract's meta says; undefined for what is served beside the contract. */
  readonly caller: StatedCaller | undefined;
  /** Whether the document says who may call it. */
  readonly statesSecurity: boolean;
}

interface Documented {
  readonly operationId?: string;
  readonly security?: unknown;
  readonly parameters?: readonly Parameter[];
  readonly requestBody?: { readonly content?: Readonly<Record<string, { readonly schema?: Schema }>> };
}

/** Everything that the server says it answers. */
export async function operationsOf(anyone: TestClient): Promise<Operation[]> {
  const document = await anyone.json<{ paths: Record<string, Record<string, Documented>> }>(
    200,
    'GET',
    '/api/openapi.json',
  );
  const callers = statedCallers(api);
  return Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => {
      const operationId = operation.operationId ?? `${method} ${path}`;
      return {
        operationId,
        method: method.toUpperCase(),
        path,
        parameters: operation.parameters ?? [],
        body: operation.requestBody?.content?.['application/json']?.schema,
        caller: callers.get(operationId) as StatedCaller | undefined,
        statesSecurity: operation.security !== undefined,
      };
    }),
  );
}

/** Each procedure of a contract by its dotted name, with the caller that its meta states. */
export function statedCallers(router: object, names: readonly string[] = []): Map<string, unknown> {
  const found = new Map<string, unknown>();
  for (const [name, part] of Object.entries(router) as [string, object][]) {
    const path = [...names, name];
    if ('~orpc' in part) {
      const { meta } = part['~orpc'] as { meta?: { caller?: unknown } };
      found.set(path.join('.'), meta?.caller);
    } else for (const [inner, caller] of statedCallers(part, path)) found.set(inner, caller);
  }
  return found;
}

/** Procedures that do not say who may call them, or name somebody whom nobody checks. */
export function unstated(router: object): string[] {
  return [...statedCallers(router)]
    .filter(([, caller]) => !CALLERS.includes(caller as StatedCaller))
    .map(
      ([name, caller]) => `${name} states ${caller === undefined ? 'no caller' : `the caller "${caller}"`}`,
    );
}

/** What has to exist for a request to mean something, by the name of the field. */
export type Known = Readonly<Record<string, string | number>>;

export interface Call {
  readonly path: string;
  readonly body: unknown;
}

/** A request that the document allows; the same one for the same seed. */
export function sampleCall(operation: Operation, known: Known, seed: number): Call {
  const byName = (field: string) => (field in known ? fc.constant(known[field]) : undefined);
  const draw = (arbitrary: fc.Arbitrary<unknown>) => fc.sample(arbitrary, { numRuns: 1, seed })[0];
  let path = operation.path;
  const query = new URLSearchParams();
  for (const { name, in: where, schema, required } of operation.parameters) {
    const value = String(draw(byName(name) ?? valid(schema)));
    if (where === 'path') path = path.replace(`{${name}}`, encodeURIComponent(value));
    else if (where === 'query' && required) query.set(name, value);
  }
  const body = operation.body === undefined ? undefined : draw(valid(operation.body, byName));
  return { path: query.size > 0 ? `${path}?${query}` : path, body };
}
