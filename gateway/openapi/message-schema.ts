import { ScalarType, type DescEnum, type DescField, type DescMessage } from '@bufbuild/protobuf';
import { comments } from '../../core/gen/aiforge/v1/comments.ts';
import { enumNames } from '../rest/enum-names.ts';
import { hasPresence } from '../rest/presence.ts';
import { ref, type Schema } from './schema.ts';

/** Whether a message is read (rest/decode.ts) or written (rest/encode.ts): the two differ. */
export type Direction = 'input' | 'output';

/** A number as it stands in the text, since the bounds of 64-bit integers are no JavaScript numbers. */
const { rawJSON } = JSON as unknown as { rawJSON(text: string): unknown };

/** The schemas of messages as the REST lane reads and writes them, collected under `components`. */
export class MessageSchemas {
  readonly components: Record<string, Schema> = {};
  readonly #owners = new Map<string, string>();

  /** @throws Error where two messages would have one name */
  of(desc: DescMessage, direction: Direction): Schema {
    if (desc.typeName === 'google.protobuf.Timestamp') return { type: 'string', format: 'date-time' };
    if (desc.typeName === 'google.protobuf.Struct') return { type: 'object' };
    if (desc.typeName.startsWith('google.protobuf.')) throw new Error(`${desc.typeName} has no schema yet: gateway/openapi/message-schema.ts`);
    const name = direction === 'input' && !desc.name.endsWith('Request') ? `${desc.name}Input` : desc.name;
    const owner = `${direction} ${desc.typeName}`;
    const known = this.#owners.get(name);
    if (known !== undefined && known !== owner) throw new Error(`The schema ${name} would stand for both ${known} and ${owner}`);
    if (known === undefined) {
      this.#owners.set(name, owner);
      this.components[name] = this.object(desc.fields, direction, comments[desc.typeName], desc);
    }
    return ref(name);
  }

  /** An object of some of a message's fields. */
  object(fields: readonly DescField[], direction: Direction, description: string | undefined, desc: DescMessage): Schema {
    const properties = Object.fromEntries(fields.map((field) => [field.name, this.#property(field, direction)]));
    // Unset fields without presence are written all the same; what is read must only know its fields.
    const required = direction === 'output' ? fields.filter((field) => !hasPresence(field)).map((field) => field.name) : [];
    const alternatives = direction === 'input' ? desc.oneofs.filter(({ fields: members }) => members.length > 1 && members.every((member) => fields.includes(member))) : [];
    return {
      type: 'object',
      ...described(description),
      properties,
      ...(required.length === 0 ? {} : { required }),
      ...(direction === 'input' ? { additionalProperties: false } : {}),
      ...(alternatives.length === 0 ? {} : { allOf: alternatives.flatMap(({ fields: members }) => pairs(members.map((member) => member.name)).map((both) => ({ not: { required: both } }))) }),
    };
  }

  #property(field: DescField, direction: Direction): Schema {
    const schema = this.field(field, direction);
    const text = described(comments[`${field.parent.typeName}.${field.name}`]);
    // `null` means "not set" where that can be told from zero.
    if (direction === 'input' && hasPresence(field)) {
      return typeof schema['type'] === 'string' && schema['enum'] === undefined ? { ...schema, type: [schema['type'], 'null'], ...text } : { anyOf: [schema, { type: 'null' }], ...text };
    }
    return { ...schema, ...text };
  }

  /** A field's value, without what is said about it. */
  field(field: DescField, direction: Direction): Schema {
    switch (field.fieldKind) {
      case 'scalar':
        return scalarSchema(field.scalar, direction);
      case 'enum':
        return enumSchema(field.enum, direction);
      case 'message':
        return this.of(field.message, direction);
      case 'list':
        return { type: 'array', items: this.#element(field, direction) };
      case 'map':
        return { type: 'object', additionalProperties: this.#element(field, direction) };
    }
  }

  #element(field: DescField & { fieldKind: 'list' | 'map' }, direction: Direction): Schema {
    if (field.enum !== undefined) return enumSchema(field.enum, direction);
    if (field.message !== undefined) return this.of(field.message, direction);
    return scalarSchema(field.scalar!, direction);
  }
}

function scalarSchema(type: ScalarType, direction: Direction): Schema {
  switch (type) {
    case ScalarType.STRING:
      return { type: 'string' };
    case ScalarType.BOOL:
      return { type: 'boolean' };
    case ScalarType.BYTES:
      return { type: 'string', contentEncoding: 'base64' };
    case ScalarType.FLOAT:
    case ScalarType.DOUBLE:
      // What is not finite is written as a string, and not read.
      return direction === 'input' ? { type: 'number' } : { type: ['number', 'string'], pattern: '^(NaN|-?Infinity)$' };
    case ScalarType.UINT32:
    case ScalarType.FIXED32:
      return { type: 'integer', minimum: 0, maximum: 2 ** 32 - 1 };
    case ScalarType.INT32:
    case ScalarType.SINT32:
    case ScalarType.SFIXED32:
      return { type: 'integer', minimum: -(2 ** 31), maximum: 2 ** 31 - 1 };
    case ScalarType.UINT64:
    case ScalarType.FIXED64:
      return { type: 'integer', minimum: 0, maximum: rawJSON(String(2n ** 64n - 1n)) };
    case ScalarType.INT64:
    case ScalarType.SINT64:
    case ScalarType.SFIXED64:
      return { type: 'integer', minimum: rawJSON(String(-(2n ** 63n))), maximum: rawJSON(String(2n ** 63n - 1n)) };
  }
}

function enumSchema(desc: DescEnum, direction: Direction): Schema {
  const names = enumNames(desc);
  const values = desc.values.filter((value) => direction === 'output' || value.number !== 0);
  const said = values.flatMap((value) => {
    const comment = comments[`${desc.typeName}.${value.name}`];
    return comment === undefined ? [] : [`\`${names.byNumber.get(value.number)}\`: ${comment}`];
  });
  return { type: 'string', enum: values.map((value) => names.byNumber.get(value.number)), ...described([comments[desc.typeName], ...said].filter(Boolean).join('\n') || undefined) };
}

function described(description: string | undefined): { description?: string } {
  return description === undefined ? {} : { description };
}

function pairs(names: readonly string[]): string[][] {
  return names.flatMap((one, index) => names.slice(index + 1).map((other) => [one, other]));
}
