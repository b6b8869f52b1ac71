import { create } from '@bufbuild/protobuf';
import { invalid } from '../errors.ts';
import type { CreateFineTuneRequest } from '../gen/aiforge/v1/job_pb.ts';
import { PlacementSchema, Priority, type Placement } from '../gen/aiforge/v1/task_pb.ts';
import { labelPattern, labelRule, maxLabels } from '../labels.ts';

const priorities: readonly (Priority | undefined)[] = [undefined, Priority.LOW, Priority.NORMAL, Priority.HIGH];

/**
 * Where and how soon a job is to run, as a request says it.
 * @returns undefined where it says nothing: anywhere outside of pools, in its turn
 * @throws ForgeError invalid_argument
 */
export function placementOf({ priority, pool, labels }: CreateFineTuneRequest): Placement | undefined {
  if (!priorities.includes(priority)) throw invalid('priority', 'must be low, normal or high');
  if (pool !== undefined && !labelPattern.test(pool)) throw invalid('pool', labelRule);
  const wanted = Object.entries(labels);
  if (wanted.length > maxLabels) throw invalid('labels', `at most ${maxLabels}`);
  for (const [key, value] of wanted) {
    if (key === 'pool') throw invalid('labels', 'a pool is asked for by "pool"');
    if (!labelPattern.test(key) || !labelPattern.test(value)) throw invalid('labels', `keys and values: ${labelRule}`);
  }
  if (priority === undefined && pool === undefined && wanted.length === 0) return undefined;
  return create(PlacementSchema, { priority: priority ?? Priority.NORMAL, pool: pool ?? '', labels });
}

/**
 * Whether an agent may run what is placed so. Who is in a pool runs that pool's jobs and no others; labels must all be
 * the agent's own.
 * @param labels the agent's; its pool is the one named `pool`
 */
export function fits(placement: Placement | undefined, labels: Readonly<Record<string, string>>): boolean {
  if ((labels['pool'] ?? '') !== (placement?.pool ?? '')) return false;
  return Object.entries(placement?.labels ?? {}).every(([key, value]) => labels[key] === value);
}
