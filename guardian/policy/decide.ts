import type { ChangeMetrics } from '../../core/gen/aiforge/v1/pipeline_pb.ts';
import { compileGlobs } from './glob.ts';
import type { ResolvedPolicy } from './policy.ts';

export interface Decision {
  retrain: boolean;
  /** Each trigger that fired, with its figure and threshold; or what was looked at, when none did. */
  reason: string;
}

/**
 * Whether the repository has moved on far enough from what the current model was trained on. Pure, and monotone:
 * more changes never turn a yes into a no.
 */
export function decide(metrics: ChangeMetrics, policy: ResolvedPolicy): Decision {
  if (metrics.neverTrained) return { retrain: true, reason: 'never trained: no model of this project has been trained yet' };
  // Absent only where the trained commit is missing, which is a reason by itself.
  const { filesChanged = 0n, commitsSinceLastTrain = 0n, criticalPathsChanged = false } = metrics;
  const files = `${count(filesChanged, 'file')} changed (threshold: ${policy.filesChanged})`;
  const commits = `${count(commitsSinceLastTrain, 'commit')} (threshold: ${policy.commits})`;
  const limit = policy.maxAgeHours;
  const age = metrics.ageHours !== undefined && limit !== undefined ? `trained ${hours(metrics.ageHours)} ago (limit: ${limit})` : undefined;

  const fired: string[] = [];
  if (metrics.base === 'missing') fired.push(`the trained commit ${shortCommit(metrics.baseCommit)} is not in the repository any more (history rewritten, or a shallow clone), so what changed since can not be known`);
  if (filesChanged >= BigInt(policy.filesChanged)) fired.push(files);
  if (commitsSinceLastTrain >= BigInt(policy.commits)) fired.push(commits);
  if (criticalPathsChanged) fired.push(`critical paths changed: ${some(metrics.criticalFiles)}${globsOf(metrics.criticalFiles, policy.criticalPaths)}`);
  if (metrics.newTags.length > 0) fired.push(`new tags: ${some(metrics.newTags)}`);
  if (age !== undefined && metrics.ageHours! >= limit!) fired.push(age);

  const seen = fired.length > 0 ? fired.join('; ') : `nothing to do: ${[files, commits, 'no critical path changed', 'no new tag', ...(age === undefined ? [] : [age])].join(', ')}`;
  return { retrain: fired.length > 0, reason: seen + caveats(metrics) };
}

/** What a reader has to know about the figures. */
function caveats(metrics: ChangeMetrics): string {
  if (metrics.base === 'missing') return '';
  const diverged = metrics.base === 'diverged' ? '; the trained commit is not in the history of this one' : '';
  return `${diverged}${metrics.shallow ? '; the clone is shallow: commits are counted only as far as its history goes' : ''}`;
}

function count(figure: bigint, thing: string): string {
  return `${figure} ${thing}${figure === 1n ? '' : 's'}`;
}

function hours(value: number): string {
  const shown = value >= 100 ? Math.round(value) : Number(value.toPrecision(3));
  return `${shown} hour${shown === 1 ? '' : 's'}`;
}

function some(names: readonly string[]): string {
  const shown = names.slice(0, 3).map((name) => (name.length > 100 ? `${name.slice(0, 99)}…` : name));
  return `${shown.join(', ')}${names.length > 3 ? ', ...' : ''}`;
}

/** The globs by which the listed files are critical. */
function globsOf(paths: readonly string[], globs: readonly string[]): string {
  const matching = globs.filter((glob) => paths.some(compileGlobs([glob])));
  return matching.length === 0 ? '' : ` (${some(matching)})`;
}

function shortCommit(commit: string): string {
  return /^[0-9a-f]{40,64}$/.test(commit) ? commit.slice(0, 12) : commit.slice(0, 80);
}
