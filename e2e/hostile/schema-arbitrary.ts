import fc from 'fast-check';

/** The part of JSON Schema 2020-12 that the OpenAPI document uses. */
export interface Schema {
  readonly type?: string | readonly string[];
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
  readonly allOf?: readonly Schema[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly items?: Schema;
  readonly additionalProperties?: boolean | Schema;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly pattern?: string;
  readonly format?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
}

const MOST_ITEMS = 5;
const LONGEST_TEXT = 40;

/** Values that the schema takes. `known` answers by the name of a field, for what has to exist. */
export function valid(
  schema: Schema | undefined,
  known: (field: string) => fc.Arbitrary<unknown> | undefined = () => undefined,
): fc.Arbitrary<unknown> {
  if (schema === undefined) return fc.constant(undefined);
  if (schema.const !== undefined) return fc.constant(schema.const);
  if (schema.enum) return fc.constantFrom(...schema.enum);
  const choices = schema.anyOf ?? schema.oneOf;
  if (choices) return fc.oneof(...choices.map((each) => valid(each, known)));
  if (schema.allOf) {
    return fc
      .tuple(...schema.allOf.map((each) => valid(each, known)))
      .map((parts) => Object.assign({}, ...(parts as object[])));
  }
  const type = Array.isArray(schema.type) ? schema.type[0] : schema.type;
  switch (type) {
    case 'object':
      return validObject(schema, known);
    case 'array':
      return fc.array(valid(schema.items, known), {
        minLength: schema.minItems ?? 0,
        maxLength: Math.max(schema.minItems ?? 0, Math.min(schema.maxItems ?? MOST_ITEMS, MOST_ITEMS)),
      });
    case 'integer':
      return fc.integer({ min: schema.minimum ?? 0, max: Math.min(schema.maximum ?? 1000, 2 ** 31) });
    case 'number':
      return fc.double({ min: schema.minimum ?? 0, max: schema.maximum ?? 1000, noNaN: true });
    case 'boolean':
      return fc.boolean();
    case 'null':
      return fc.constant(null);
    case 'string':
      return validText(schema);
    default:
      return fc.jsonValue({ maxDepth: 2 });
  }
}

function validObject(
  { properties = {}, required = [] }: Schema,
  known: (field: string) => fc.Arbitrary<unknown> | undefined,
): fc.Arbitrary<unknown> {
  const fields = Object.fromEntries(
    Object.entries(properties).map(([name, each]) => [name, known(name) ?? valid(each, known)]),
  );
  return fc.record(fields, { requiredKeys: required.filter((name) => name in fields) });
}

function validText({
  format,
  pattern,
  minLength = 0,
  maxLength = LONGEST_TEXT,
}: Schema): fc.Arbitrary<string> {
  switch (format) {
    case 'email':
      return fc.string({ unit: LETTER, minLength: 3, maxLength: 12 }).map((name) => `${name}@example.org`);
    case 'date-time':
      return fc
        .date({ min: new Date('2000-01-01'), max: new Date('2099-01-01'), noInvalidDate: true })
        .map((date) => date.toISOString());
    case 'uuid':
      return fc.uuid();
    case 'uri':
      return fc.constant('https://learn.example.org/');
  }
  if (pattern !== undefined) return fc.stringMatching(new RegExp(pattern));
  const longest = Math.max(minLength, Math.min(maxLength, LONGEST_TEXT));
  return fc.string({ unit: LETTER, minLength: Math.max(1, minLength), maxLength: Math.max(1, longest) });
}

const LETTER = fc.constantFrom(...'abcdefghijklmnopqrstuvwxyz');

/** Texts that programs have fallen over. */
export const NASTY_TEXTS: readonly string[] = [
  '',
  ' ',
  '\u0000',
  '\u001b]0;title\u0007',
  '\r\nSet-Cookie: a=b',
  '../../../../etc/passwd',
  '%2e%2e%2f%00',
  '#{7*7}{{7*7}}<%= 7*7 %>',
  "'; DROP TABLE users; --",
  '" OR ""="',
  '<script>alert(1)</script>',
  '<img src=x onerror=alert(1)>',
  'javascript:alert(1)',
  '\ud800',
  '\udfff\ud83d',
  '\u202Egnp.exe',
  'ﷺ'.repeat(50),
  'a'.repeat(70_000),
  '__proto__',
  'constructor',
  'NaN',
  '1e309',
  '-0',
  '9'.repeat(400),
  'http://169.254.169.254/latest/meta-data/',
];

const nasty = fc.oneof(
  fc.constantFrom(...NASTY_TEXTS),
  fc.string({ unit: 'binary', maxLength: 60 }),
  fc.constantFrom(null, true, false, 0, -1, 1.5, 1e308, Number.MAX_SAFE_INTEGER, [], {}, [[[[]]]]),
  fc.jsonValue({ maxDepth: 3 }),
);

/** Something like what the schema takes, with one thing about it wrong, or all of it. */
export function almost(
  schema: Schema | undefined,
  known?: (field: string) => fc.Arbitrary<unknown> | undefined,
): fc.Arbitrary<unknown> {
  const names = Object.keys(schema?.properties ?? {});
  const good = valid(schema, known);
  if (names.length === 0) return fc.oneof(good, nasty);
  const spoilt = fc
    .tuple(good, fc.constantFrom(...names), nasty)
    .map(([value, name, wrong]) => ({ ...(value as object), [name]: wrong }));
  const extended = fc
    .tuple(good, fc.constantFrom('__proto__', 'constructor', 'role', 'owner', 'admin', 'userId', 'id'), nasty)
    .map(([value, name, more]) =>
      JSON.parse(
        `${JSON.stringify(value).slice(0, -1)},${JSON.stringify(name)}:${JSON.stringify(more) ?? 'null'}}`.replace(
          '{,',
          '{',
        ),
      ),
    );
  const without = fc.tuple(good, fc.constantFrom(...names)).map(([value, name]) => {
    const { [name]: _, ...rest } = value as Record<string, unknown>;
    return rest;
  });
  return fc.oneof(good, spoilt, spoilt, extended, without, nasty);
}
