import { isDigest } from '../blobs/blob-store.ts';
import { TaskKind, type TaskResult } from '../gen/aiforge/v1/task_pb.ts';

/**
 * Whether a result is one of a task of this kind, with the blobs that others build on named by digests. Workers are
 * not trusted with events: what they call a result is looked at before it becomes one.
 * @returns undefined when it is, else what is wrong
 */
export function resultProblem(kind: TaskKind, result: TaskResult | undefined): string | undefined {
  const value = result?.kind;
  switch (kind) {
    case TaskKind.EXTRACT:
      return value?.case === 'extract' ? digests({ dataset_digest: value.value.datasetDigest }) : wrongKind('extract', value?.case);
    case TaskKind.TRAIN:
      return value?.case === 'train' ? digests({ adapter_digest: value.value.adapterDigest }) : wrongKind('train', value?.case);
    case TaskKind.EVALUATE:
      return value?.case === 'evaluate' ? digests({ report_digest: value.value.reportDigest }) : wrongKind('evaluate', value?.case);
    case TaskKind.EXPORT:
      return value?.case === 'export' ? digests({ export_digest: value.value.exportDigest, gguf_digest: value.value.ggufDigest }) : wrongKind('export', value?.case);
    case TaskKind.DEPLOY:
      return value?.case === 'deploy' ? digests({ gguf_digest: value.value.ggufDigest }) : wrongKind('deploy', value?.case);
    default:
      return `tasks of kind ${kind} have no result`;
  }
}

function wrongKind(wanted: string, found: string | undefined): string {
  return `result: a result of kind ${wanted} is due, not ${found ?? 'none'}`;
}

function digests(named: Record<string, string>): string | undefined {
  for (const [field, digest] of Object.entries(named)) if (!isDigest(digest)) return `result.${field}: must be a SHA-256 in lower-case hex`;
  return undefined;
}
