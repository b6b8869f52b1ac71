import { create } from '@bufbuild/protobuf';
import t from 'tap';
import { TaskResultSchema, TaskSpecSchema } from '../../core/gen/aiforge/v1/task_pb.ts';
import type { Ledger } from '../../core/store/ledger.ts';
import type { Task } from '../../core/task/state.ts';
import { inputsOf } from '../../gateway/scheduler/inputs.ts';

/** A ledger that holds one completed training, of the branch `main`. */
function ledgerWith(revision: string): Ledger {
  const spec = create(TaskSpecSchema, { kind: { case: 'train', value: { baseModel: 'owner/model', revision: 'main', source: { case: 'datasetDigest', value: 'd' } } } });
  const result = create(TaskResultSchema, { kind: { case: 'train', value: { adapterDigest: 'a', lineage: { revision, baseModelDigest: 'b' } } } });
  const head = (_: unknown, id: string) => ({ state: id === 'job_1' ? { status: 'completed', spec, result } : { status: 'none' } });
  return { head } as unknown as Ledger;
}

for (const kind of ['evaluate', 'export'] as const) {
  t.test(`${kind} takes the base at the commit that was trained on`, async (t) => {
    const task = { id: `job_1.${kind}`, project: 'p', spec: create(TaskSpecSchema, { kind: { case: kind, value: { jobId: 'job_1' } } }) } as unknown as Task;
    t.match(inputsOf(task, ledgerWith('a1'.repeat(20))), { baseModel: 'owner/model', revision: 'a1'.repeat(20), adapterDigest: 'a', trainedBaseModelDigest: 'b' });
    t.match(inputsOf(task, ledgerWith('')), { revision: 'main' }, 'as it was asked for where the training told none');
  });
}
