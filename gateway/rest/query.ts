import { ScalarType, type DescField } from '@bufbuild/protobuf';
import type { ReflectMessage } from '@bufbuild/protobuf/reflect';
import { invalid } from '../../core/errors.ts';
import { decodeEnum } from './decode.ts';
import { decodeScalar } from './scalars.ts';

/**
 * Sets fields from the query. Only plain fields and lists of them can stand there; each name once, except for lists.
 * @param taken names of fields that the path has already set
 * @throws ForgeError invalid_argument that names the parameter
 */
export function decodeQuery(message: ReflectMessage, query: URLSearchParams, taken: ReadonlySet<string>): void {
  const allowed = message.fields.filter((field) => !taken.has(field.name) && isPlain(field));
  const seen = new Set<string>();
  for (const [name, text] of query) {
    const field = allowed.find((f) => f.name === name);
    if (field === undefined) {
      throw invalid(name.slice(0, 100), `no such query parameter; known: ${allowed.map((f) => f.name).join(', ') || 'none'}`);
    }
    if (field.fieldKind === 'list') {
      message.get(field).add(decodeText(field, text, name));
      continue;
    }
    if (seen.has(name)) throw invalid(name, 'stands twice in the query');
    seen.add(name);
    message.set(field, decodeText(field, text, name));
  }
}

/** A field's value from text, as in a path or a query. */
export function decodeText(field: DescField, text: string, name: string): unknown {
  if (field.enum !== undefined) return decodeEnum(field.enum, text, name);
  const type = field.scalar!;
  if (type === ScalarType.STRING || type === ScalarType.BYTES) return decodeScalar(type, text, name);
  if (type === ScalarType.BOOL) return decodeScalar(type, text === 'true' ? true : text === 'false' ? false : text, name);
  const whole = /^-?\d{1,20}$/.test(text);
  const number = /^-?\d+(\.\d+)?([eE][+-]?\d+)?$/.test(text);
  if (!number) throw invalid(name, 'must be a number');
  return decodeScalar(type, whole ? BigInt(text) : Number(text), name);
}

/** Whether a field can stand in a query. */
export function isPlain(field: DescField): boolean {
  return field.fieldKind === 'scalar' || field.fieldKind === 'enum' || (field.fieldKind === 'list' && field.message === undefined);
}
