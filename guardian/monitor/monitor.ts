import { invalid } from '../../core/errors.ts';
import type { ChangeMetrics, RetrainPolicy } from '../../core/gen/aiforge/v1/pipeline_pb.ts';
import { within } from '../git/deadline.ts';
import { headProblem, readHead } from '../git/head.ts';
import { resolveRef } from '../git/ref.ts';
import { decide, type Decision } from '../policy/decide.ts';
import { resolvePolicy, type ResolvedPolicy } from '../policy/policy.ts';
import { measureChanges } from './measure.ts';
import { readSettings } from './read-settings.ts';

export interface MonitorOptions {
  /** Absolute path of a working tree's top or a bare repository. */
  repository: string;
  /** Branch, tag or commit id; undefined: HEAD. */
  ref: string | undefined;
  /** The current model's commit, and when its training ended in ms since 1970; undefined: never trained. */
  trained?: { commit: string; at: number };
  /** Checked ones, the strongest first: the request's, the project's. The repository's file comes after, then the default. */
  policies: readonly (RetrainPolicy | undefined)[];
  now: number;
  signal: AbortSignal;
  /** For all of it. */
  timeoutMs: number;
}

export interface Observation {
  head: string;
  metrics: ChangeMetrics;
  decision: Decision;
  policy: ResolvedPolicy;
}

/**
 * Looks at a repository once: where it stands, what changed since the training, and whether that is enough.
 * @throws ForgeError invalid_argument (no repository or commit, field `project_path`; `ref`; the settings file),
 * unavailable (git is missing or too slow), wrong_state (an object is missing)
 */
export async function monitor({ repository, ref, trained, policies, now, signal, timeoutMs }: MonitorOptions): Promise<Observation> {
  const end = performance.now() + timeoutMs;
  const left = (): number => Math.max(1, Math.ceil(end - performance.now()));
  const current = await readHead(repository, left());
  // A repository may well have a branch where HEAD names none, as a remote's mirror can.
  if (current.kind !== 'repository' && (current.kind !== 'empty' || ref === undefined)) throw invalid('project_path', headProblem(current, repository));
  const head = ref === undefined && current.kind === 'repository' ? current.commit : await resolveRef(repository, ref ?? 'HEAD', left());
  signal.throwIfAborted();
  const file = await within(left(), signal, `the settings of ${repository} could not be read`, (limited) => readSettings(repository, head, limited));
  const policy = resolvePolicy(...policies, file);
  const metrics = await measureChanges({ repository, base: trained?.commit, head, policy, now, signal, timeoutMs: left(), ...(trained === undefined ? {} : { trainedAt: trained.at }) });
  return { head, metrics, decision: decide(metrics, policy), policy };
}
