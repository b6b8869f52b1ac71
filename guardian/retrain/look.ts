import type { ChangeMetrics, RetrainPolicy } from '../../core/gen/aiforge/v1/pipeline_pb.ts';
import { projectAggregate, type LastTry } from '../../core/project/project.ts';
import type { Ledger } from '../../core/store/ledger.ts';
import type { Mirrors } from '../git/mirror.ts';
import { monitor } from '../monitor/monitor.ts';
import type { FoundProject } from '../projects/find.ts';
import { openSource, type OpenedSource } from '../projects/source.ts';
import { currentTraining, type Trained } from '../projects/trained.ts';

/** Reading a large history takes a while; the client is told meanwhile that the guardian is at work. */
const timeoutMs = 60_000;

export interface LookDeps {
  ledger: Ledger;
  mirrors: Mirrors;
  projectRoots: readonly string[];
}

/** What a project's repository looks like now, beside what its current model was trained on. */
export interface Look {
  source: OpenedSource;
  head: string;
  trained: Trained | undefined;
  metrics: ChangeMetrics;
  decision: { retrain: boolean; reason: string };
  /** Whether time alone can change the decision. */
  ages: boolean;
}

/** Measures and decides; changes nothing. @param policy of the request @throws ForgeError */
export async function look(project: FoundProject, policy: RetrainPolicy | undefined, deps: LookDeps, signal: AbortSignal): Promise<Look> {
  const source = await openSource(project, deps.mirrors, deps.projectRoots, signal);
  const trained = currentTraining(deps.ledger, project.name);
  const measured = await measure(source, project, policy, trained, signal);
  return { source, trained, ...measured };
}

/**
 * The same for what nobody asked for: a commit that was tried and came to nothing is not tried again, until as much has
 * changed since as would be needed after a training.
 */
export async function lookUnasked(project: FoundProject, deps: LookDeps, signal: AbortSignal): Promise<Look> {
  const seen = await look(project, undefined, deps, signal);
  const { lastTry } = deps.ledger.head(projectAggregate, project.name).state;
  if (!seen.decision.retrain || lastTry === undefined || lastTry.commit === seen.trained?.commit) return seen;
  const since = await measure(seen.source, project, undefined, { commit: lastTry.commit, at: lastTry.at }, signal);
  if (since.decision.retrain) return seen;
  return { ...seen, decision: { retrain: false, reason: `${tried(lastTry)}, and since then ${since.decision.reason} (${seen.decision.reason})` } };
}

function tried({ pipelineId, commit, status }: LastTry): string {
  return `${pipelineId} tried commit ${commit.slice(0, 12)} and was ${status}`;
}

async function measure(source: OpenedSource, project: FoundProject, policy: RetrainPolicy | undefined, trained: { commit: string; at: number } | undefined, signal: AbortSignal) {
  const measured = await monitor({ repository: source.path, ref: project.ref || undefined, ...(trained === undefined ? {} : { trained }), policies: [policy, project.registration?.policy], now: Date.now(), signal, timeoutMs });
  return { head: measured.head, metrics: measured.metrics, decision: measured.decision, ages: measured.policy.maxAgeHours !== undefined };
}
