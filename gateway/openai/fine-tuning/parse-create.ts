import { create } from '@bufbuild/protobuf';
import { invalid } from '../../../core/errors.ts';
import { CreateFineTuningJobRequestSchema, FineTuningHyperparametersSchema, type CreateFineTuningJobRequest, type FineTuningHyperparameters } from '../../../core/gen/aiforge/v1/fine_tuning_pb.ts';

type Fields = Readonly<Record<string, unknown>>;

const known = ['model', 'training_file', 'validation_file', 'hyperparameters', 'method', 'suffix', 'seed', 'metadata', 'integrations'];
const hyperparameterNames = ['n_epochs', 'batch_size', 'learning_rate_multiplier'];

/** Reads OpenAI's request; ranges are the core's to check. @throws ForgeError invalid_argument, naming the field */
export function parseCreateJob(body: Uint8Array): CreateFineTuningJobRequest {
  const request = parseObject(body);
  onlyKnown(request, known, '');
  const integrations = request['integrations'] ?? [];
  if (!Array.isArray(integrations) || integrations.length > 0) throw invalid('integrations', 'are not supported; leave them out, and read the metrics from the events or the result file');
  const seed = request['seed'] ?? undefined;
  if (seed !== undefined && (!Number.isSafeInteger(seed) || (seed as number) < 0)) throw invalid('seed', 'must be a whole number from 0 to 4294967295');
  return create(CreateFineTuningJobRequestSchema, {
    model: text(request, 'model') ?? '',
    trainingFile: text(request, 'training_file') ?? '',
    validationFile: text(request, 'validation_file'),
    hyperparameters: hyperparametersOf(request),
    suffix: text(request, 'suffix'),
    seed: seed === undefined ? undefined : BigInt(seed as number),
    metadata: metadataOf(request['metadata'] ?? {}),
  });
}

function parseObject(body: Uint8Array): Fields {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body));
  } catch {
    throw invalid('body', 'must be a JSON object in UTF-8');
  }
  return object(value, 'body');
}

/** Top-level hyperparameters are OpenAI's older form of the same. */
function hyperparametersOf(request: Fields): FineTuningHyperparameters {
  const older = readHyperparameters(request['hyperparameters'] ?? {}, 'hyperparameters');
  const given = request['method'] ?? undefined;
  if (given === undefined) return older;
  const method = object(given, 'method');
  const { type } = method;
  if (type === 'dpo' || type === 'reinforcement') throw invalid('method.type', `"${type}" is not supported; use "supervised"`);
  if (type !== 'supervised') throw invalid('method.type', 'must be "supervised"');
  onlyKnown(method, ['type', 'supervised'], 'method.');
  const supervised = object(method['supervised'] ?? {}, 'method.supervised');
  onlyKnown(supervised, ['hyperparameters'], 'method.supervised.');
  const newer = readHyperparameters(supervised['hyperparameters'] ?? {}, 'method.supervised.hyperparameters');
  for (const name of ['nEpochs', 'batchSize', 'learningRateMultiplier'] as const) {
    if (newer[name] !== undefined && older[name] !== undefined && newer[name] !== older[name]) throw invalid('hyperparameters', 'differ from those in method.supervised.hyperparameters; give them there alone');
  }
  return create(FineTuningHyperparametersSchema, {
    nEpochs: newer.nEpochs ?? older.nEpochs,
    batchSize: newer.batchSize ?? older.batchSize,
    learningRateMultiplier: newer.learningRateMultiplier ?? older.learningRateMultiplier,
  });
}

function readHyperparameters(given: unknown, at: string): FineTuningHyperparameters {
  const fields = object(given, at);
  onlyKnown(fields, hyperparameterNames, `${at}.`);
  const number = (name: string, whole: boolean): number | undefined => {
    const value = fields[name] ?? 'auto';
    if (value === 'auto') return undefined;
    if (typeof value !== 'number' || !Number.isFinite(value) || (whole && (!Number.isInteger(value) || value < 0 || value > 0xffff_ffff))) throw invalid(`${at}.${name}`, `must be a ${whole ? 'whole ' : ''}number or "auto"`);
    return value;
  };
  return create(FineTuningHyperparametersSchema, { nEpochs: number('n_epochs', true), batchSize: number('batch_size', true), learningRateMultiplier: number('learning_rate_multiplier', false) });
}

function metadataOf(given: unknown): Record<string, string> {
  const pairs = object(given, 'metadata');
  for (const [key, value] of Object.entries(pairs)) if (typeof value !== 'string') throw invalid(`metadata.${key.slice(0, 64)}`, 'must be a string');
  return pairs as Record<string, string>;
}

function text(fields: Fields, name: string): string | undefined {
  const value = fields[name] ?? undefined;
  if (value !== undefined && typeof value !== 'string') throw invalid(name, 'must be a string');
  return value;
}

function object(value: unknown, at: string): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw invalid(at, at === 'body' ? 'must be a JSON object' : 'must be an object');
  return value as Fields;
}

function onlyKnown(fields: Fields, names: readonly string[], at: string): void {
  for (const name of Object.keys(fields)) if (!names.includes(name)) throw invalid(`${at}${name}`.slice(0, 100), `is not known here; known are ${names.join(', ')}`);
}
