import { create } from '@bufbuild/protobuf';
import { ForgeError } from '../../core/errors.ts';
import { ChangeMetricsSchema, type ChangeMetrics } from '../../core/gen/aiforge/v1/pipeline_pb.ts';
import { languageOf } from '../dataset/language.ts';
import { within } from '../git/deadline.ts';
import { diffTrees } from '../git/diff.ts';
import { countCommits, isShallow, newTags, standingOf } from '../git/history.ts';
import { GitFailure } from '../git/records.ts';
import { missing } from '../git/tree.ts';
import { compileGlobs } from '../policy/glob.ts';
import type { ResolvedPolicy } from '../policy/policy.ts';

export interface MeasureOptions {
  /** Absolute path of a working tree's top or a bare repository. */
  repository: string;
  /** The commit that the current model was trained on; undefined: the project was never trained. */
  base: string | undefined;
  /** Full id of a commit that is in the repository. */
  head: string;
  policy: ResolvedPolicy;
  /** When the current model's training ended, in ms since 1970. */
  trainedAt?: number;
  now: number;
  signal: AbortSignal;
  /** For all of it. */
  timeoutMs: number;
}

/** How many names are listed; more only add to a reason that nobody reads. */
const maxListed = 20;
const maxNameLength = 1_024;

/**
 * What changed between the commit that was trained on and `head`, counted by git. A project that was never trained is
 * compared with nothing: each file is new. What can't be known, since the trained commit is missing, is absent.
 * @throws ForgeError unavailable (git is missing or too slow), wrong_state (an object is missing); the signal's reason
 */
export async function measureChanges(options: MeasureOptions): Promise<ChangeMetrics> {
  const { repository, signal, timeoutMs } = options;
  try {
    return await within(timeoutMs, signal, `git did not compare the commits of ${repository}`, (limited) => measure(options, limited));
  } catch (error) {
    if (!(error instanceof GitFailure)) throw error;
    throw new ForgeError('wrong_state', `git can not compare the commits of ${repository}: ${error.complaint.slice(0, 300)}. If an object ${missing}`, { cause: error });
  }
}

async function measure({ repository, base, head, policy, trainedAt, now, timeoutMs }: MeasureOptions, signal: AbortSignal): Promise<ChangeMetrics> {
  const standing = base === undefined ? 'none' : await standingOf(repository, base, head, timeoutMs);
  signal.throwIfAborted();
  const metrics = create(ChangeMetricsSchema, {
    baseCommit: base ?? '',
    headCommit: head,
    neverTrained: base === undefined,
    base: standing,
    shallow: await isShallow(repository, timeoutMs),
    // A clock that was set back must not make an age below 0.
    ...(base === undefined || trainedAt === undefined ? {} : { ageHours: Math.max(0, now - trainedAt) / 3_600_000 }),
  });
  if (standing === 'missing') return metrics;

  const isCritical = compileGlobs(policy.criticalPaths);
  // It was looked at: that none changed is known, not absent.
  metrics.criticalPathsChanged = false;
  const languages = new Set<string>();
  let files = 0;
  metrics.criticalPathsChanged = false;
  const lines = await diffTrees(repository, base, head, ({ path, renamedFrom, submodule }) => {
    files += 1;
    if (!submodule) languages.add(languageOf(path).name);
    const critical = [path, renamedFrom].find((name) => name !== undefined && isCritical(name));
    if (critical === undefined) return;
    metrics.criticalPathsChanged = true;
    if (metrics.criticalFiles.length < maxListed) metrics.criticalFiles.push(shown(critical));
  }, signal);
  metrics.filesChanged = BigInt(files);
  metrics.linesAdded = BigInt(lines.added);
  metrics.linesRemoved = BigInt(lines.removed);
  metrics.languages = [...languages].sort();
  metrics.commitsSinceLastTrain = BigInt(await countCommits(repository, base, head, signal));

  const isWatched = compileGlobs(policy.tags);
  for await (const tag of newTags(repository, base, head, signal)) {
    if (!isWatched(tag)) continue;
    metrics.newTags.push(shown(tag));
    if (metrics.newTags.length === maxListed) break;
  }
  return metrics;
}

/** A name as a reader and a message can take it. */
function shown(name: string): string {
  const clean = name.replace(/[\0-\x1f\x7f]/g, '?');
  return clean.length > maxNameLength ? `${clean.slice(0, maxNameLength - 1)}…` : clean;
}
