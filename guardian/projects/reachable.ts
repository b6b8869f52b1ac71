import { isDigest, type BlobStore } from '../../core/blobs/blob-store.ts';
import { readTree } from '../../core/blobs/tree.ts';
import { isForgeError } from '../../core/errors.ts';
import type { TaskResult, TaskSpec } from '../../core/gen/aiforge/v1/task_pb.ts';
import { isReadable, type EventStore } from '../../core/store/event-store.ts';
import { isTerminal, type Task } from '../../core/task/state.ts';
import { taskAggregate } from '../../core/task/task.ts';

/** Digests of all trees and blobs that a task goes on from or has made. Nothing ever goes on from an older checkpoint. */
export function digestsOf(task: Task): string[] {
  const digests = [task.checkpoint?.digest ?? '', ...task.ended.map(({ logDigest }) => logDigest)];
  if (task.spec.kind.case === 'train' && task.spec.kind.value.source.case === 'datasetDigest') digests.push(task.spec.kind.value.source.value);
  if (task.status === 'completed') digests.push(...ofResult(task.result));
  // Uploaded files are their clients' and not the task's: it needs them until it has ended.
  if (!isTerminal(task)) digests.push(...uploadsOf(task.spec));
  return digests.filter(isDigest);
}

/** Digests of the uploaded files that a task reads, by itself or by the extraction that is made for it. */
export function uploadsOf({ kind }: TaskSpec): string[] {
  const extract = kind.case === 'extract' ? kind.value : kind.case === 'train' && kind.value.source.case === 'extract' ? kind.value.source.value : undefined;
  return extract === undefined ? [] : [extract.fileDigest, extract.validationDigest].filter(isDigest);
}

/** Digests of all checkpoints that a task ever saved. */
export async function checkpointsOf(task: Task, store: EventStore): Promise<string[]> {
  const digests: string[] = [];
  if (task.checkpoint === undefined) return digests;
  for await (const stored of store.readAggregate(taskAggregate.name, task.id, 0)) {
    if (!isReadable(stored)) continue;
    for (const { kind } of stored.envelope.events) if (kind.case === 'checkpointSaved') digests.push(kind.value.digest);
  }
  return digests;
}

/** Digests of a tree's files; none for a single blob, or one that is gone. */
export async function filesOf(digest: string, blobs: BlobStore): Promise<string[]> {
  try {
    return (await readTree(blobs, digest)).files.map((file) => file.digest);
  } catch (error) {
    if (!isForgeError(error)) throw error;
    return [];
  }
}

function ofResult({ kind }: TaskResult): string[] {
  switch (kind.case) {
    case 'extract':
      return [kind.value.datasetDigest, kind.value.reportDigest];
    case 'train':
      return [kind.value.adapterDigest];
    case 'evaluate':
      return [kind.value.reportDigest];
    case 'export':
      return [kind.value.exportDigest, kind.value.ggufDigest];
    default:
      return [];
  }
}
