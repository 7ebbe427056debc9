import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse } from 'yaml';

/**
 * The shapes of Firecracker's API, read from its own OpenAPI description: names, types, ranges. To take
 * them from another release: `node testing-firecracker-api.ts <firecracker.yaml>`.
 */
export interface ApiShapes {
  readonly version: string;
  /** `PUT /drives/{drive_id}` → the shape of its body; null for a request without one. */
  readonly operations: Readonly<Record<string, ApiShape | null>>;
  readonly definitions: Readonly<Record<string, ApiShape>>;
}

export interface ApiShape {
  readonly $ref?: string;
  readonly type?: string;
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, ApiShape>>;
  readonly items?: ApiShape;
  readonly enum?: readonly unknown[];
  readonly minimum?: number;
  readonly maximum?: number;
  /** True where any member is taken. */
  readonly additionalProperties?: boolean;
}

interface Document {
  readonly info: { readonly version: string };
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly definitions: Readonly<Record<string, ApiShape>>;
}

interface Operation {
  readonly parameters?: readonly { readonly in: string; readonly schema?: ApiShape }[];
}

export const SHAPES_FILE = join(import.meta.dirname, 'firecracker-api-shapes.json');

/** The shapes in the text of a description. */
export function shapesOf(text: string): ApiShapes {
  const document = parse(text) as Document;
  const operations: Record<string, ApiShape | null> = {};
  for (const [path, methods] of Object.entries(document.paths)) {
    for (const [method, { parameters = [] }] of Object.entries(methods)) {
      const schema = parameters.find((parameter) => parameter.in === 'body')?.schema;
      operations[`${method.toUpperCase()} ${path}`] = schema === undefined ? null : reduced(schema);
    }
  }
  const definitions = Object.entries(document.definitions).map(([name, shape]) => [name, reduced(shape)]);
  return { version: document.info.version, operations, definitions: Object.fromEntries(definitions) };
}

/** Without all that is said for people. */
function reduced(shape: ApiShape): ApiShape {
  const { $ref, type, required, properties, items, minimum, maximum, additionalProperties } = shape;
  if ($ref !== undefined) return { $ref };
  return {
    ...(type === undefined ? {} : { type }),
    ...(required === undefined ? {} : { required }),
    ...(properties === undefined
      ? {}
      : {
          properties: Object.fromEntries(
            Object.entries(properties).map(([name, each]) => [name, reduced(each)]),
          ),
        }),
    ...(items === undefined ? {} : { items: reduced(items) }),
    // YAML reads the word None as text, and 2M too.
    ...(shape.enum === undefined ? {} : { enum: shape.enum }),
    ...(minimum === undefined ? {} : { minimum }),
    ...(maximum === undefined ? {} : { maximum }),
    ...(additionalProperties === undefined ? {} : { additionalProperties: additionalProperties !== false }),
  };
}

if (import.meta.main) {
  const [file = ''] = process.argv.slice(2);
  const shapes = shapesOf(await readFile(file, 'utf8'));
  await writeFile(SHAPES_FILE, `${JSON.stringify(shapes, null, 2)}\n`);
}
