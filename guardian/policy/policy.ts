import { invalid } from '../../core/errors.ts';
import type { RetrainPolicy } from '../../core/gen/aiforge/v1/pipeline_pb.ts';
import { globProblem } from './glob.ts';

/** When a project is retrained, every question answered. */
export interface ResolvedPolicy {
  /** Files that differ from the trained commit. */
  filesChanged: number;
  /** Commits since. */
  commits: number;
  /** Globs of paths where any change counts. */
  criticalPaths: readonly string[];
  /** Globs of names of new tags. */
  tags: readonly string[];
  /** Age of the current model's training; undefined: no limit. */
  maxAgeHours: number | undefined;
}

export const defaultPolicy: ResolvedPolicy = Object.freeze({
  filesChanged: 20,
  commits: 50,
  criticalPaths: Object.freeze(['src/core/**', 'src/main/**', 'lib/**', 'core/**']),
  tags: Object.freeze(['v*', 'release/*']),
  maxAgeHours: undefined,
});

/**
 * Field by field from the first source that sets it, the default after all of them. An empty list is not set.
 * @param sources each checked by `checkPolicy`, the strongest first
 */
export function resolvePolicy(...sources: (RetrainPolicy | undefined)[]): ResolvedPolicy {
  const first = <T>(pick: (source: RetrainPolicy) => T | undefined): T | undefined => {
    for (const source of sources) {
      const value = source && pick(source);
      if (value !== undefined) return value;
    }
    return undefined;
  };
  const list = (values: readonly string[]): readonly string[] | undefined => (values.length > 0 ? values : undefined);
  return {
    filesChanged: first((source) => source.filesChanged) ?? defaultPolicy.filesChanged,
    commits: first((source) => source.commits) ?? defaultPolicy.commits,
    criticalPaths: first((source) => list(source.criticalPaths)) ?? defaultPolicy.criticalPaths,
    tags: first((source) => list(source.tags)) ?? defaultPolicy.tags,
    maxAgeHours: first((source) => source.maxAgeHours) ?? defaultPolicy.maxAgeHours,
  };
}

/**
 * @param fieldPrefix what names the policy to its writer, such as `policy` or `.ai-forge.yml: retrain`
 * @throws ForgeError invalid_argument, with the field and the remedy
 */
export function checkPolicy(policy: RetrainPolicy, fieldPrefix: string): void {
  checkCount(policy.filesChanged, `${fieldPrefix}.files_changed`);
  checkCount(policy.commits, `${fieldPrefix}.commits`);
  checkGlobs(policy.criticalPaths, `${fieldPrefix}.critical_paths`);
  checkGlobs(policy.tags, `${fieldPrefix}.tags`);
  const hours = policy.maxAgeHours;
  if (hours !== undefined && !(hours > 0 && hours <= 1_000_000)) throw invalid(`${fieldPrefix}.max_age_hours`, 'must be a number of hours above 0 and at most 1000000; leave it out for no limit');
}

function checkCount(value: number | undefined, field: string): void {
  if (value !== undefined && !(Number.isInteger(value) && value >= 1 && value <= 1_000_000)) throw invalid(field, 'must be a whole number from 1 to 1000000');
}

function checkGlobs(globs: readonly string[], field: string): void {
  if (globs.length > 100) throw invalid(field, `has ${globs.length} globs; at most 100 are allowed`);
  for (const [index, glob] of globs.entries()) {
    const problem = globProblem(glob);
    if (problem !== undefined) throw invalid(`${field}[${index}]`, problem);
  }
}
