import { create, fromJson, ScalarType, type DescEnum, type DescField, type DescMessage, type JsonValue, type MessageShape } from '@bufbuild/protobuf';
import { reflect, type ReflectMessage } from '@bufbuild/protobuf/reflect';
import { invalid } from '../../core/errors.ts';
import { enumNames } from './enum-names.ts';
import type { Json, JsonObject } from './json-text.ts';
import { hasPresence } from './presence.ts';
import { decodeScalar } from './scalars.ts';

/**
 * A message from the JSON of the REST lane, the reverse of `encodeMessage`, strictly: unknown fields, wrong types and
 * numbers out of range are refused. `null` means "not set" where a field can be unset.
 * @param path name of what holds the object, for messages; empty for the body itself
 * @throws ForgeError invalid_argument that names the field
 */
export function decodeMessage<D extends DescMessage>(desc: D, object: JsonObject, path = ''): MessageShape<D> {
  const message = create(desc) as MessageShape<D>;
  decodeInto(reflect(desc, message), object, path);
  return message;
}

/** Sets one field by its JSON value; `name` is its whole path. */
function decodeField(message: ReflectMessage, field: DescField, value: Json, name: string): void {
  if (value === null) {
    if (hasPresence(field)) return;
    throw invalid(name, 'must not be null');
  }
  switch (field.fieldKind) {
    case 'scalar':
      return message.set(field, decodeScalar(field.scalar, value, name));
    case 'enum':
      return message.set(field, decodeEnum(field.enum, value, name));
    case 'message':
      return message.set(field, decodeNested(field.message, value, name));
    case 'list': {
      if (!Array.isArray(value)) throw invalid(name, 'must be a list in square brackets');
      const list = message.get(field);
      value.forEach((item, index) => list.add(decodeElement(field, item, `${name}[${index}]`)));
      return;
    }
    case 'map': {
      const map = message.get(field);
      for (const [key, item] of Object.entries(asObject(value, name))) {
        map.set(mapKey(field.mapKey, key, name), decodeElement(field, item, `${name}.${key}`));
      }
      return;
    }
  }
}

export function decodeEnum(desc: DescEnum, value: Json, name: string): number {
  const names = enumNames(desc).byName;
  const number = typeof value === 'string' ? names.get(value) : undefined;
  if (number === undefined) throw invalid(name, `must be one of ${[...names.keys()].map((n) => `"${n}"`).join(', ')}`);
  return number;
}

/**
 * Sets a message's fields from an object.
 * @param allowed the fields that may stand in it
 */
export function decodeInto(message: ReflectMessage, object: JsonObject, path: string, allowed: readonly DescField[] = message.fields): void {
  const byName = new Map(allowed.map((field) => [field.name, field]));
  const oneofs = new Set<string>();
  for (const [key, value] of Object.entries(object)) {
    const name = path === '' ? key : `${path}.${key}`;
    const field = byName.get(key);
    if (field === undefined) throw invalid(shorten(name), `no such field; known: ${[...byName.keys()].join(', ') || 'none'}`);
    if (field.oneof !== undefined && value !== null) {
      if (oneofs.has(field.oneof.name)) throw invalid(name, `only one of ${field.oneof.fields.map((f) => f.name).join(', ')} may be set`);
      oneofs.add(field.oneof.name);
    }
    decodeField(message, field, value, name);
  }
}

function decodeElement(field: DescField & { fieldKind: 'list' | 'map' }, item: Json, name: string): unknown {
  if (item === null) throw invalid(name, 'must not be null');
  if (field.enum !== undefined) return decodeEnum(field.enum, item, name);
  if (field.message !== undefined) return decodeNested(field.message, item, name);
  return decodeScalar(field.scalar!, item, name);
}

function decodeNested(desc: DescMessage, value: Json, name: string): ReflectMessage {
  if (desc.typeName.startsWith('google.protobuf.')) {
    try {
      return reflect(desc, fromJson(desc, value as JsonValue));
    } catch (error) {
      throw invalid(name, desc.typeName === 'google.protobuf.Timestamp' ? 'must be a time such as "2024-01-17T12:00:00Z"' : (error as Error).message);
    }
  }
  return reflect(desc, decodeMessage(desc, asObject(value, name), name));
}

function mapKey(type: ScalarType, key: string, name: string): string | number | bigint | boolean {
  if (type === ScalarType.STRING) return key;
  const value = /^-?\d{1,20}$/.test(key) ? BigInt(key) : key === 'true' ? true : key === 'false' ? false : key;
  return decodeScalar(type, value, `${name}.${key}`) as number | bigint | boolean;
}

function asObject(value: Json, name: string): JsonObject {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw invalid(name, 'must be an object in braces');
  return value;
}

/** A client's own text goes back to it only in part. */
function shorten(name: string): string {
  return name.length > 100 ? `${name.slice(0, 100)}…` : name;
}
