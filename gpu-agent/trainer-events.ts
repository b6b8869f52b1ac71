import type { MessageInitShape } from '@bufbuild/protobuf';
import type { MetricSchema } from '../core/gen/aiforge/v1/worker_pb.ts';

/** One JSON line of the trainer's events pipe, told apart by `type`; the protocol stands in gpu-agent/trainer. */
export type TrainerEvent = { readonly type: string } & Readonly<Record<string, unknown>>;

/** @returns undefined for a line that is no event */
export function parseEvent(line: string): TrainerEvent | undefined {
  try {
    const event: unknown = JSON.parse(line);
    return typeof event === 'object' && event !== null && typeof (event as TrainerEvent).type === 'string' ? (event as TrainerEvent) : undefined;
  } catch {
    return undefined;
  }
}

export type Fields = Readonly<Record<string, unknown>>;

/** Absent stays absent: a number that was not measured is not made up. */
export function numberOf(fields: Fields, name: string): number | undefined {
  const value = fields[name];
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined;
}

export function textOf(fields: Fields, name: string): string | undefined {
  const value = fields[name];
  return typeof value === 'string' ? value : undefined;
}

export function fieldsOf(fields: Fields, name: string): Fields | undefined {
  const value = fields[name];
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : undefined;
}

export function countOf(fields: Fields, name: string): bigint | undefined {
  const value = numberOf(fields, name);
  return value !== undefined && value >= 0 ? BigInt(Math.round(value)) : undefined;
}

/** @throws Error naming what the trainer left out */
export function need<T>(value: T | undefined, name: string): T {
  if (value === undefined) throw new Error(`the trainer's result lacks "${name}"`);
  return value;
}

/** `metrics`, `evaluation` or `progress` as telemetry; undefined for other events. */
export function asMetric(event: TrainerEvent, totalSteps: number | undefined): MessageInitShape<typeof MetricSchema> | undefined {
  const place = { step: countOf(event, 'step') ?? 0n, ...optional('epoch', numberOf(event, 'epoch')), ...(totalSteps === undefined ? {} : { totalSteps: BigInt(totalSteps) }) };
  switch (event.type) {
    case 'metrics':
      return {
        ...place,
        ...optional('loss', numberOf(event, 'loss')),
        ...optional('learningRate', numberOf(event, 'learning_rate')),
        ...optional('gradNorm', numberOf(event, 'grad_norm')),
        ...optional('tokensPerSecond', numberOf(event, 'tokens_per_second')),
        ...optional('etaSeconds', numberOf(event, 'eta_seconds')),
      };
    case 'evaluation':
      return { ...place, ...optional('heldoutLoss', numberOf(event, 'loss')) };
    case 'progress':
      return { ...place, ...optional('fraction', numberOf(event, 'fraction')), message: textOf(event, 'message') ?? '' };
    default:
      return undefined;
  }
}

function optional<K extends string>(name: K, value: number | undefined): { [P in K]?: number } {
  return (value === undefined ? {} : { [name]: value }) as { [P in K]?: number };
}
