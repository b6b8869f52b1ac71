import type { MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import type { ProjectSchema } from '../gen/aiforge/v1/project_pb.ts';
import { modelAggregate } from '../model/model.ts';
import type { Ledger } from '../store/ledger.ts';
import { taskAggregate } from '../task/task.ts';
import { projectAggregate } from './project.ts';

/** What clients see of a registered project; undefined where there is none of this name. */
export function viewProject(ledger: Pick<Ledger, 'head'>, name: string): MessageInitShape<typeof ProjectSchema> | undefined {
  const { registration, active, registeredAt } = ledger.head(projectAggregate, name).state;
  if (registration === undefined) return undefined;
  const { target } = ledger.head(modelAggregate, name).state;
  const job = target === undefined ? undefined : ledger.head(taskAggregate, target).state;
  const lineage = job?.status === 'completed' && job.result.kind.case === 'train' ? job.result.kind.value.lineage : undefined;
  return {
    name,
    path: registration.repository || undefined,
    url: registration.url || undefined,
    ref: registration.ref || undefined,
    watch: registration.watch,
    autoDeploy: registration.autoDeploy,
    requireApproval: registration.requireApproval,
    policy: registration.policy,
    currentJobId: target,
    currentCommit: lineage?.commit || undefined,
    activeRetrain: active?.pipelineId,
    createdAt: timestampFromMs(registeredAt),
  };
}
