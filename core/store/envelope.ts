import { hash } from 'node:crypto';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { timestampFromMs, timestampMs } from '@bufbuild/protobuf/wkt';
import { EnvelopeSchema, type Envelope, type Event } from '../gen/aiforge/v1/events_pb.ts';

/** Of the envelope itself; a reader refuses one it does not know. */
export const envelopeSchema = 1;

/** What a command brings along: its id, who asks, and its clock. */
export interface CommandMeta {
  commandId: string;
  actor: string;
  /** Unix milliseconds. */
  time: number;
  /** SHA-256 of caller and Idempotency-Key, in hex. */
  idempotencySha256?: string;
}

export function encodeEnvelope(aggregate: string, id: string, meta: CommandMeta, previousSha256: string, events: Event[]): Uint8Array {
  return toBinary(
    EnvelopeSchema,
    create(EnvelopeSchema, {
      schema: envelopeSchema,
      aggregate,
      id,
      commandId: meta.commandId,
      actor: meta.actor,
      time: timestampFromMs(meta.time),
      previousSha256: Buffer.from(previousSha256, 'hex'),
      events,
      idempotencySha256: Buffer.from(meta.idempotencySha256 ?? '', 'hex'),
    }),
  );
}

/** @throws RangeError for bytes of a schema that this version does not know */
export function decodeEnvelope(bytes: Uint8Array): Envelope {
  const envelope = fromBinary(EnvelopeSchema, bytes);
  if (envelope.schema !== envelopeSchema) throw new RangeError(`envelope of schema ${envelope.schema}; this version knows ${envelopeSchema}: upgrade it`);
  return envelope;
}

export function envelopeTime(envelope: Envelope): number {
  return envelope.time === undefined ? 0 : timestampMs(envelope.time);
}

export function sha256Hex(bytes: Uint8Array | string): string {
  return hash('sha256', bytes, 'hex');
}

export function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex');
}
