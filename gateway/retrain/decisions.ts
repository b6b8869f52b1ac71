import type { MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { invalid } from '../../core/errors.ts';
import type { ListDecisionsRequest, ListDecisionsResponseSchema } from '../../core/gen/aiforge/v1/retrain_pb.ts';
import { projectAggregate, type Decision } from '../../core/project/project.ts';
import { isReadable, type EventStore } from '../../core/store/event-store.ts';
import type { Ledger } from '../../core/store/ledger.ts';
import { pageOf, pageSizeOf } from '../page.ts';
import { foldAdmitted } from './fold-admitted.ts';

/** Where a decision stands in the list of all. */
interface Place {
  order: number;
  project: string;
  number: number;
}
type Listed = Decision & Place;

/**
 * Every decision with its figures, the newest first. The last ones of a project are in memory, older ones are read from
 * its events, when a page gets there.
 * @throws ForgeError invalid_argument
 */
export async function listDecisions({ ledger, store }: { ledger: Ledger; store: Pick<EventStore, 'readAggregate'> }, request: ListDecisionsRequest): Promise<MessageInitShape<typeof ListDecisionsResponseSchema>> {
  const after = request.pageToken ? parseToken(request.pageToken) : undefined;
  const isAfter = (place: Place): boolean => after === undefined || compare(place, after) > 0;
  const listed: Listed[] = [];
  /** Of projects that have more than is in memory, the oldest that is. */
  const oldest: Listed[] = [];
  for (const [project, { decisions }] of ledger.all(projectAggregate)) {
    if (decisions.length === 0 || (request.projectName !== undefined && request.projectName !== project)) continue;
    const kept = decisions.map((decision) => ({ ...decision, project }));
    listed.push(...kept.filter(isAfter));
    if (kept[0]!.number > 1) oldest.push(kept[0]!);
  }
  const cut = () => pageOf(listed.sort(compare), { pageSize: request.pageSize }, tokenOf);
  let page = cut();
  const short = oldest.filter((kept) => page.next === '' || compare(kept, page.items.at(-1)!) < 0);
  // One more than a page can take tells that there is another.
  for (const kept of short) listed.push(...(await readOlder(store, kept, isAfter, pageSizeOf(request) + 1)));
  if (short.length > 0) page = cut();
  return {
    decisions: page.items.map(({ project, made, at }) => ({
      projectName: project,
      shouldRetrain: made.retrain,
      reason: made.reason,
      metrics: made.metrics,
      trigger: made.trigger,
      jobId: made.pipelineId || undefined,
      decidedAt: timestampFromMs(at),
    })),
    nextPageToken: page.next,
  };
}

/** Those of a project's decisions before one that lie in the list's rest, the last `limit` of them. */
async function readOlder(store: Pick<EventStore, 'readAggregate'>, { project, number }: Place, isAfter: (place: Place) => boolean, limit: number): Promise<Listed[]> {
  const last: Listed[] = [];
  let state = projectAggregate.initialState;
  for await (const stored of store.readAggregate(projectAggregate.name, project, 0)) {
    const next = isReadable(stored) ? foldAdmitted(projectAggregate, state, stored) : undefined;
    if (next === undefined) continue;
    const decision = next.decisions.at(-1);
    const isNew = decision !== state.decisions.at(-1);
    state = next;
    if (decision === undefined || !isNew) continue;
    const place = { ...decision, project };
    if (decision.number >= number || !isAfter(place)) break;
    last.push(place);
    if (last.length > limit) last.shift();
  }
  return last;
}

/** The newest first. */
function compare(a: Place, b: Place): number {
  return b.order - a.order || (a.project === b.project ? b.number - a.number : a.project < b.project ? -1 : 1);
}

function tokenOf({ order, number, project }: Place): string {
  return `${order}.${number}.${project}`;
}

/** @throws ForgeError invalid_argument */
function parseToken(token: string): Place {
  const match = /^(\d{1,15})\.(\d{1,15})\.(.{1,64})$/.exec(token);
  if (match === null) throw invalid('page_token', 'must be the next_page_token of a list with the same filters');
  return { order: Number(match[1]), number: Number(match[2]), project: match[3]! };
}
