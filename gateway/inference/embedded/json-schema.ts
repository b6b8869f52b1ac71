import { invalid } from '../../../core/errors.ts';

type Schema = Readonly<Record<string, unknown>>;

/** These say nothing about which values are right. */
const annotations = new Set(['title', 'description', 'default', 'examples', 'deprecated', 'readOnly', 'writeOnly', '$schema', '$id', '$comment']);
/** For these node-llama-cpp's grammars make sure that the text follows them. */
const byType: Readonly<Record<string, readonly string[]>> = {
  object: ['properties', 'additionalProperties', 'required'],
  array: ['items', 'prefixItems', 'minItems', 'maxItems'],
  string: ['minLength', 'maxLength', 'format'],
  number: [],
  integer: [],
  boolean: [],
  null: [],
};
const formats = ['date-time', 'date', 'time'];
const reference = /^#\/\$defs\/([^/]+)$/;
/** llama.cpp writes repetitions out. */
const mostRepeats = 1000;
const deepest = 64;

/**
 * Rewrites a JSON schema into the part of the language that node-llama-cpp makes grammars of, with the same meaning.
 * Object properties are all written, in the schema's order, those that are not required too; others never.
 * @throws ForgeError invalid_argument for what a grammar would leave aside
 */
export function toGrammarSchema(value: unknown, at: string): Schema {
  const definitions = ((value as Schema)['$defs'] ?? {}) as Schema;
  const defined = new Set(Object.keys(definitions));
  const root = convert(value, at, defined, 0);
  if (defined.size === 0) return root;
  return { ...root, $defs: Object.fromEntries(Object.entries(definitions).map(([name, one]) => [name, convert(one, `${at}.$defs.${name}`, defined, 1)])) };
}

function convert(value: unknown, at: string, defined: ReadonlySet<string>, depth: number): Schema {
  const wrong = (text: string) => invalid('response_format', `${at} ${text}`);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw wrong('must be a JSON schema object');
  if (depth > deepest) throw wrong('is nested too deeply');
  const schema = value as Schema;
  const only = (...known: string[]) => {
    const unknown = Object.keys(schema).find((key) => !known.includes(key) && !annotations.has(key) && !(depth === 0 && key === '$defs'));
    if (unknown !== undefined) throw wrong(`has "${unknown}", which the embedded engine can't make sure of here; leave it out`);
  };
  const inner = (one: unknown, name: string) => convert(one, `${at}.${name}`, defined, depth + 1);
  const list = (key: string): unknown[] => {
    const items = schema[key];
    if (!Array.isArray(items) || items.length === 0) throw wrong(`must have a list in ${key}`);
    return items;
  };

  if ('$ref' in schema) {
    only('$ref');
    const name = reference.exec(String(schema['$ref']))?.[1];
    if (name === undefined || !defined.has(name)) throw wrong('refers to something else than a schema in the outermost $defs');
    return { $ref: schema['$ref'] };
  }
  if ('anyOf' in schema) {
    only('anyOf');
    return { oneOf: list('anyOf').map((one, i) => inner(one, `anyOf[${i}]`)) };
  }
  if ('const' in schema) {
    only('const', 'type');
    return { const: literal(schema['const'], wrong) };
  }
  if ('enum' in schema) {
    only('enum', 'type');
    return { enum: list('enum').map((one) => literal(one, wrong)) };
  }
  const { type } = schema;
  if (Array.isArray(type)) {
    only('type', ...type.flatMap((one) => byType[String(one)] ?? []));
    // Each of the types with the keywords that are its own.
    return { oneOf: list('type').map((one) => inner({ type: one, ...pick(schema, byType[String(one)] ?? []) }, 'type')) };
  }
  if (type === undefined) only();
  if (typeof type !== 'string' || byType[type] === undefined) throw wrong(`must have a type: one of ${Object.keys(byType).join(', ')}`);
  only('type', ...byType[type]);
  const count = (key: string) => {
    const number = schema[key] ?? undefined;
    if (number === undefined) return {};
    if (!Number.isInteger(number) || (number as number) < 0 || (number as number) > mostRepeats) throw wrong(`must have a whole number from 0 to ${mostRepeats} in ${key}`);
    return { [key]: number };
  };

  switch (type) {
    case 'object': {
      const properties = Object.entries((schema['properties'] ?? {}) as Schema);
      const missing = ((schema['required'] ?? []) as unknown[]).find((name) => !properties.some(([one]) => one === name));
      if (missing !== undefined) throw wrong(`requires "${String(missing)}", which is not in properties`);
      const others = schema['additionalProperties'];
      return {
        type,
        ...(properties.length === 0 ? {} : { properties: Object.fromEntries(properties.map(([name, one]) => [name, inner(one, `properties.${name}`)])) }),
        // Where a schema names no properties at all, any are meant.
        ...(typeof others === 'object' && others !== null ? { additionalProperties: inner(others, 'additionalProperties') } : properties.length === 0 && others !== false ? { additionalProperties: true } : {}),
      };
    }
    case 'array':
      return {
        type,
        ...('items' in schema ? { items: inner(schema['items'], 'items') } : {}),
        ...('prefixItems' in schema ? { prefixItems: list('prefixItems').map((one, i) => inner(one, `prefixItems[${i}]`)) } : {}),
        ...count('minItems'),
        ...count('maxItems'),
      };
    case 'string': {
      if ('format' in schema && !formats.includes(String(schema['format']))) throw wrong(`has a format that the embedded engine can't make sure of; it knows ${formats.join(', ')}`);
      if ('format' in schema && ('minLength' in schema || 'maxLength' in schema)) throw wrong('has a format and a length; leave one of them out');
      return { type, ...pick(schema, ['format']), ...count('minLength'), ...count('maxLength') };
    }
    default:
      return { type };
  }
}

function literal(value: unknown, wrong: (text: string) => Error): unknown {
  if (value !== null && typeof value === 'object') throw wrong('has an object or a list as a value; the embedded engine takes texts, numbers, true, false and null there');
  return value;
}

function pick(schema: Schema, keys: readonly string[]): Schema {
  return Object.fromEntries(keys.filter((key) => key in schema).map((key) => [key, schema[key]]));
}
