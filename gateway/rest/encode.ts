import { toJson, type DescEnum, type DescField, type DescMessage, type MessageShape } from '@bufbuild/protobuf';
import { reflect, type ReflectMessage } from '@bufbuild/protobuf/reflect';
import { ForgeError } from '../../core/errors.ts';
import { enumNames } from './enum-names.ts';
import { hasPresence } from './presence.ts';

/** Writes a number as it stands (in V8 since 114, not yet in TypeScript's library). */
const { rawJSON } = JSON as unknown as { rawJSON(text: string): unknown };

/**
 * A message as the JSON text of the REST lane: snake_case names in the order of the proto file, enum values by
 * `enumNames`, 64-bit integers as numbers, timestamps as RFC 3339 in UTC. Fields without presence are always there,
 * those with presence only when set. Not-a-number and infinities are strings, as in protobuf's own JSON.
 */
export function encodeMessage<D extends DescMessage>(desc: D, message: MessageShape<D>): string {
  return JSON.stringify(messageValue(reflect(desc, message)));
}

function messageValue(message: ReflectMessage): unknown {
  if (message.desc.typeName.startsWith('google.protobuf.')) return toJson(message.desc, message.message);
  const object = Object.create(null) as Record<string, unknown>;
  for (const field of message.fields) {
    if (hasPresence(field) && !message.isSet(field)) continue;
    object[field.name] = fieldValue(message, field);
  }
  return object;
}

function fieldValue(message: ReflectMessage, field: DescField): unknown {
  switch (field.fieldKind) {
    case 'scalar':
      return scalarValue(message.get(field));
    case 'enum':
      return enumValue(field.enum, message.get(field));
    case 'message':
      return messageValue(message.get(field));
    case 'list':
      return Array.from(message.get(field), (item) => elementValue(field, item));
    case 'map': {
      const object = Object.create(null) as Record<string, unknown>;
      for (const [key, item] of message.get(field)) object[String(key)] = elementValue(field, item);
      return object;
    }
  }
}

function elementValue(field: DescField & { fieldKind: 'list' | 'map' }, item: unknown): unknown {
  if (field.enum !== undefined) return enumValue(field.enum, item as number);
  if (field.message !== undefined) return messageValue(item as ReflectMessage);
  return scalarValue(item);
}

function enumValue(desc: DescEnum, number: number): string {
  const name = enumNames(desc).byNumber.get(number);
  if (name === undefined) throw new ForgeError('internal', `${desc.typeName} has no value ${number}`);
  return name;
}

function scalarValue(value: unknown): unknown {
  if (typeof value === 'bigint') return rawJSON(value.toString());
  if (typeof value === 'number' && !Number.isFinite(value)) return String(value);
  return value instanceof Uint8Array ? Buffer.from(value).toString('base64') : value;
}
