import { baseModelAggregate } from '../base-model/base-model.ts';
import { isForgeError } from '../errors.ts';
import { fileAggregate } from '../file/file.ts';
import type { TaskResult, TaskSpec } from '../gen/aiforge/v1/task_pb.ts';
import { pipelineAggregate } from '../pipeline/pipeline.ts';
import { isOver } from '../pipeline/state.ts';
import { isForgotten } from '../project/forgotten.ts';
import { isReadable, type EventStore } from '../store/event-store.ts';
import type { Ledger } from '../store/ledger.ts';
import { isTerminal, type Task } from '../task/state.ts';
import { taskAggregate } from '../task/task.ts';
import { isDigest, type BlobStore } from './blob-store.ts';
import { readTree } from './tree.ts';

/** What events name of the blob store. */
export interface Named {
  trees: Set<string>;
  /** Single blobs. */
  blobs: Set<string>;
}

/** All that is named by what was not forgotten with its project: what nothing names is garbage, once it is old enough. */
export function namedDigests(ledger: Pick<Ledger, 'all' | 'head'>): Named {
  const named: Named = { trees: new Set(), blobs: new Set() };
  const add = (task: Task): void => {
    for (const digest of treesOf(task)) named.trees.add(digest);
    for (const digest of blobsOf(task)) named.blobs.add(digest);
  };
  for (const [, task] of ledger.all(taskAggregate)) if (task.status !== 'none' && !isForgotten(ledger, task)) add(task);
  for (const [, pipeline] of ledger.all(pipelineAggregate)) {
    if (pipeline.status === 'none' || isForgotten(ledger, pipeline)) continue;
    if (pipeline.gate !== undefined) named.trees.add(pipeline.gate.reportDigest);
    // It may have been planned before its project was deleted: the model to compare with is needed all the same.
    const reference = isOver(pipeline) ? undefined : ledger.head(taskAggregate, pipeline.plan.referenceJobId).state;
    if (reference !== undefined && reference.status !== 'none') add(reference);
  }
  for (const [, base] of ledger.all(baseModelAggregate)) if (base.status === 'pinned') named.trees.add(base.treeDigest);
  for (const [, file] of ledger.all(fileAggregate)) if (file.status === 'stored') named.blobs.add(file.digest);
  return named;
}

/** Digests of all trees and blobs that a task goes on from or has made. Nothing ever goes on from an older checkpoint. */
export function digestsOf(task: Task): string[] {
  return [...treesOf(task), ...blobsOf(task)];
}

function treesOf(task: Task): string[] {
  const digests: string[] = [];
  // A failed task may be tried again; of one that completed or was cancelled nothing goes on.
  if (task.checkpoint !== undefined && task.status !== 'completed' && task.status !== 'cancelled') digests.push(task.checkpoint.digest);
  if (task.spec.kind.case === 'train' && task.spec.kind.value.source.case === 'datasetDigest') digests.push(task.spec.kind.value.source.value);
  if (task.status === 'completed') digests.push(...treesOfResult(task.result));
  return digests.filter(isDigest);
}

function blobsOf(task: Task): string[] {
  const digests = task.ended.map(({ logDigest }) => logDigest);
  if (task.status === 'completed' && task.result.kind.case === 'export') digests.push(task.result.kind.value.ggufDigest);
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

function treesOfResult({ kind }: TaskResult): string[] {
  switch (kind.case) {
    case 'extract':
      return [kind.value.datasetDigest, kind.value.reportDigest];
    case 'train':
      return [kind.value.adapterDigest];
    case 'evaluate':
      return [kind.value.reportDigest];
    case 'export':
      return [kind.value.exportDigest];
    default:
      return [];
  }
}
