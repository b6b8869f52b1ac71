import { create, isMessage, ScalarType, toJson, type DescEnum, type DescField, type DescMessage, type Message, type MessageInitShape, type MessageShape } from '@bufbuild/protobuf';
import { reflect, type ReflectMessage } from '@bufbuild/protobuf/reflect';
import { TimestampSchema } from '@bufbuild/protobuf/wkt';
import { enumNames } from './enum-names.ts';
import { hasPresence } from './presence.ts';

/** Writes a value that is set as JSON text. */
type Encoder = (value: unknown) => string;
type Fields = Readonly<Record<string, unknown>>;
/** @returns the field as `"name":value`, or undefined where it is left out */
type FieldEncoder = (message: Fields) => string | undefined;

/** 9999-12-31T23:59:59Z */
const lastSecond = 253_402_300_799;

/** Looking at descriptors costs far more than writing a message, so each is looked at once. */
const encoders = new WeakMap<DescMessage, Encoder>();

/**
 * A message as the JSON text of the REST lane: snake_case names in the order of the proto file, enum values by
 * `enumNames`, 64-bit integers as numbers, timestamps as RFC 3339 in UTC. Fields without presence are always there,
 * those with presence only when set. Not-a-number and infinities are strings, as in protobuf's own JSON.
 * @param message whole, or what `create` would make one of: making it only to write it costs as much as writing it
 */
export function encodeMessage<D extends DescMessage>(desc: D, message: MessageShape<D> | MessageInitShape<D>): string {
  return messageEncoder(desc)(message);
}

function messageEncoder(desc: DescMessage): Encoder {
  const known = encoders.get(desc);
  if (known !== undefined) return known;
  if (desc.typeName === 'google.protobuf.Timestamp') return put(desc, (value) => timestampText(value as MessageInitShape<typeof TimestampSchema>));
  if (isStandard(desc)) return put(desc, (message) => JSON.stringify(toJson(desc, isMessage(message, desc) ? message : create(desc, message as Record<string, unknown>))));
  const fields: FieldEncoder[] = [];
  const encoder = put(desc, (message) => {
    let text = '';
    for (const field of fields) {
      const member = field(message as Fields);
      if (member !== undefined) text += text === '' ? member : `,${member}`;
    }
    return `{${text}}`;
  });
  // Known before its fields are looked at: a message may hold its own kind.
  for (const field of desc.fields) fields.push(fieldEncoder(field));
  return encoder;
}

function put(desc: DescMessage, encoder: Encoder): Encoder {
  encoders.set(desc, encoder);
  return encoder;
}

function isStandard(desc: DescMessage): boolean {
  return desc.typeName.startsWith('google.protobuf.');
}

function fieldEncoder(field: DescField): FieldEncoder {
  const key = `${JSON.stringify(field.name)}:`;
  const { localName, oneof } = field;
  const write = valueEncoder(field);
  if (oneof !== undefined) {
    const group = oneof.localName;
    return (message) => {
      const member = message[group] as { case?: string | undefined; value?: unknown } | undefined;
      return member?.case === localName ? key + write(member.value) : undefined;
    };
  }
  if (!hasPresence(field)) {
    const unset = key + unsetText(field, write);
    return (message) => {
      const value = message[localName];
      return value === undefined ? unset : key + write(value);
    };
  }
  return (message) => (Object.hasOwn(message, localName) && message[localName] !== undefined ? key + write(message[localName]) : undefined);
}

/** What a field without presence has that nobody has set. */
function unsetText(field: DescField, write: Encoder): string {
  if (field.fieldKind === 'list') return '[]';
  if (field.fieldKind === 'map') return '{}';
  if (field.fieldKind === 'enum') return write(0);
  return field.scalar === ScalarType.STRING || field.scalar === ScalarType.BYTES ? '""' : field.scalar === ScalarType.BOOL ? 'false' : '0';
}

function valueEncoder(field: DescField): Encoder {
  switch (field.fieldKind) {
    case 'scalar':
      return scalarText;
    case 'enum':
      return enumEncoder(field.enum);
    case 'message':
      return nestedEncoder(field, field.message);
    case 'list': {
      const element = elementEncoder(field);
      return (list) => `[${(list as unknown[]).map(element).join(',')}]`;
    }
    case 'map': {
      const element = elementEncoder(field);
      return (map) => `{${Object.entries(map as Fields).map(([name, item]) => `${JSON.stringify(name)}:${element(item)}`).join(',')}}`;
    }
  }
}

function elementEncoder(field: DescField & { fieldKind: 'list' | 'map' }): Encoder {
  if (field.enum !== undefined) return enumEncoder(field.enum);
  return field.message === undefined ? scalarText : nestedEncoder(field, field.message);
}

/** Within a message some of the standard ones have a form of their own, such as Struct's, which only reflection undoes. */
function nestedEncoder(field: DescField, desc: DescMessage): Encoder {
  if (!isStandard(desc) || desc.typeName === 'google.protobuf.Timestamp') {
    const encoder = messageEncoder(desc);
    return (value) => encoder(value);
  }
  return (value) => JSON.stringify(toJson(desc, (inMessageForm(field, value) as ReflectMessage).message));
}

function inMessageForm(field: DescField, value: unknown): unknown {
  const holder = reflect(field.parent);
  if (field.fieldKind === 'message') {
    if (field.oneof === undefined) (holder.message as unknown as Record<string, unknown>)[field.localName] = value;
    else (holder.message as unknown as Record<string, unknown>)[field.oneof.localName] = { case: field.localName, value };
    return holder.get(field);
  }
  (holder.message as unknown as Record<string, unknown>)[field.localName] = field.fieldKind === 'list' ? [value] : { 0: value };
  const [only] = holder.get(field as DescField & { fieldKind: 'list' }) as Iterable<unknown>;
  return field.fieldKind === 'list' ? only : (only as [unknown, unknown])[1];
}

function enumEncoder(desc: DescEnum): Encoder {
  const texts = new Map([...enumNames(desc).byNumber].map(([number, name]) => [number, JSON.stringify(name)]));
  return (number) => {
    // As protobuf's own JSON has a value that it does not know, as an event of a newer version may hold.
    return texts.get(number as number) ?? String(number);
  };
}

/** As protobuf's own JSON has it, which is asked where a time is out of its bounds. */
function timestampText(time: MessageInitShape<typeof TimestampSchema>): string {
  const seconds = Number(time.seconds ?? 0);
  const nanos = time.nanos ?? 0;
  if (!(seconds >= 0 && seconds <= lastSecond && nanos >= 0 && nanos <= 999_999_999)) return JSON.stringify(toJson(TimestampSchema, create(TimestampSchema, time)));
  const text = secondText(seconds);
  if (nanos === 0) return `"${text}Z"`;
  // Three, six or nine digits.
  return `"${text}.${String(nanos).padStart(9, '0').replace(/(?:000){1,2}$/, '')}Z"`;
}

/** Times are asked for again and again: a job's stay the same. */
const secondTexts = new Map<number, string>();
const maxSecondTexts = 1_000;

function secondText(seconds: number): string {
  let text = secondTexts.get(seconds);
  if (text === undefined) {
    text = new Date(seconds * 1_000).toISOString().slice(0, 19);
    if (secondTexts.size >= maxSecondTexts) secondTexts.clear();
    secondTexts.set(seconds, text);
  }
  return text;
}

function scalarText(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value);
  if (typeof value === 'number') return Number.isFinite(value) ? String(value) : `"${value}"`;
  if (value instanceof Uint8Array) return `"${Buffer.from(value).toString('base64')}"`;
  return String(value);
}
