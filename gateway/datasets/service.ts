import type { MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import type { BlobStore } from '../../core/blobs/blob-store.ts';
import { ForgeError, invalid } from '../../core/errors.ts';
import { DatasetService, type GetDatasetResponseSchema } from '../../core/gen/aiforge/v1/dataset_pb.ts';
import { TaskKind, type ExtractResult } from '../../core/gen/aiforge/v1/task_pb.ts';
import type { Ledger } from '../../core/store/ledger.ts';
import type { Task } from '../../core/task/state.ts';
import { taskAggregate } from '../../core/task/task.ts';
import type { NewestMetrics } from '../feed/newest-metrics.ts';
import type { Resolve } from '../jobs/resolve.ts';
import { wireStatus } from '../jobs/wire-status.ts';
import type { Implementation } from '../method.ts';
import { pageOf } from '../page.ts';
import { readTextFile } from '../read-text-file.ts';
import { createDataset } from './create-dataset.ts';
import { listSamples } from './samples.ts';

interface Deps {
  ledger: Ledger;
  blobs: BlobStore;
  metrics: NewestMetrics;
  resolve: Resolve;
}

/** Datasets are extract tasks: those made by themselves, and those that jobs and pipelines had made. */
export function createDatasetService(deps: Deps): Implementation<typeof DatasetService> {
  const { ledger, blobs, metrics } = deps;
  const view = (task: Task): MessageInitShape<typeof GetDatasetResponseSchema> => viewDataset(task, metrics.get(task.id)?.fraction);
  return {
    createDataset: (request, context) => createDataset(deps, request, context),
    async listDatasets(request) {
      const tasks: Task[] = [];
      for (const [, task] of ledger.all(taskAggregate)) if (task.status !== 'none' && task.kind === TaskKind.EXTRACT) tasks.push(task);
      const page = pageOf(tasks.reverse(), request, ({ id }) => id, ({ project }) => request.projectName === undefined || project === request.projectName);
      return { datasets: page.items.map(view), nextPageToken: page.next };
    },
    getDataset: async ({ datasetId }) => view(await findDataset(ledger, datasetId)),
    async getDatasetReport({ datasetId }) {
      const { reportDigest } = resultOf(await findDataset(ledger, datasetId));
      if (reportDigest === '') throw new ForgeError('not_found', `dataset_id: no report was made of ${datasetId}; make the dataset again`, { field: 'dataset_id' });
      return { datasetId, report: await readTextFile(blobs, reportDigest, 'report.md'), reportJson: await readTextFile(blobs, reportDigest, 'report.json') };
    },
    async listDatasetSamples(request) {
      const { datasetDigest, reportDigest } = resultOf(await findDataset(ledger, request.datasetId));
      const page = await listSamples(blobs, datasetDigest, request);
      if (page.samples?.length === 0 && request.kind !== undefined && reportDigest !== '') checkKind(request.kind, await readTextFile(blobs, reportDigest, 'report.json'));
      return page;
    },
  };
}

async function findDataset(ledger: Ledger, id: string): Promise<Task> {
  const { state } = await ledger.find(taskAggregate, id);
  if (state.status === 'none' || state.kind !== TaskKind.EXTRACT) throw new ForgeError('not_found', `dataset_id: there is no dataset "${id.slice(0, 100)}"`, { field: 'dataset_id' });
  return state;
}

function resultOf(task: Task): ExtractResult {
  if (task.status === 'completed' && task.result.kind.case === 'extract') return task.result.kind.value;
  throw new ForgeError('wrong_state', `dataset_id: ${task.id} is ${task.status}${task.status === 'failed' ? ` (${task.reason})` : ''}: it must be completed first`, { field: 'dataset_id' });
}

/** A kind may have no example in one split; one that is in neither is a mistake. @throws ForgeError invalid_argument */
function checkKind(kind: string, reportJson: string): void {
  const { train, heldout } = JSON.parse(reportJson) as Record<'train' | 'heldout', { by_kind: Record<string, number> }>;
  const kinds = [...new Set([train, heldout].flatMap(({ by_kind: counts }) => Object.keys(counts)))].sort();
  if (!kinds.includes(kind)) throw invalid('kind', `this dataset has no examples of kind "${kind.slice(0, 40)}"; it has: ${kinds.join(', ')}`);
}

function viewDataset(task: Task, fraction: number | undefined): MessageInitShape<typeof GetDatasetResponseSchema> {
  const result = task.status === 'completed' && task.result.kind.case === 'extract' ? task.result.kind.value : undefined;
  return {
    datasetId: task.id,
    status: wireStatus(task),
    progress: result === undefined ? Math.round((fraction ?? 0) * 1000) / 10 : 100,
    projectName: task.project,
    commit: task.spec.kind.case === 'extract' ? task.spec.kind.value.commit : '',
    digest: result?.datasetDigest,
    trainExamples: result?.trainExamples,
    heldoutExamples: result?.heldoutExamples,
    trainTokens: result?.trainTokens,
    heldoutTokens: result?.heldoutTokens,
    files: result?.files,
    secretsDropped: result?.secretsDropped,
    duplicatesDropped: result?.duplicatesDropped,
    error: task.status === 'failed' ? `${task.code}: ${task.reason}` : undefined,
    createdAt: timestampFromMs(task.createdAt),
    updatedAt: timestampFromMs(task.updatedAt),
  };
}
