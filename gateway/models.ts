import { modelAggregate, type ModelState } from '../core/model/model.ts';
import type { Ledger } from '../core/store/ledger.ts';
import type { ModelDirectory } from './openai/model-directory.ts';

/**
 * Names that are served, from events: `<project>:latest` (also plain `<project>`) and `<project>:<job id>`.
 * @param hasVersionsOf whether what was deployed to that backend is served by the present one
 */
export function createModelDirectory(ledger: Ledger, hasVersionsOf: (backend: string) => boolean): ModelDirectory {
  const served = (state: ModelState, jobId: string | undefined): boolean => state.versions.some((version) => version.jobId === jobId && hasVersionsOf(version.backend));
  return {
    resolve(name) {
      const colon = name.lastIndexOf(':');
      const project = colon < 0 ? name : name.slice(0, colon);
      const tag = colon < 0 ? 'latest' : name.slice(colon + 1);
      const { state } = ledger.head(modelAggregate, project);
      const jobId = tag === 'latest' ? state.target : tag;
      return jobId !== undefined && served(state, jobId) ? { backendName: `${project}:${jobId}` } : undefined;
    },
    active() {
      let newest: { name: string; movedAt: number } | undefined;
      for (const [project, state] of ledger.all(modelAggregate)) {
        if (served(state, state.target) && state.movedAt >= (newest?.movedAt ?? 0)) newest = { name: `${project}:latest`, movedAt: state.movedAt };
      }
      return newest?.name;
    },
    list() {
      const names = [];
      for (const [project, state] of ledger.all(modelAggregate)) {
        if (served(state, state.target)) names.push({ name: `${project}:latest`, backendName: `${project}:${state.target}`, createdAt: new Date(state.movedAt) });
        for (const version of state.versions) {
          if (served(state, version.jobId)) names.push({ name: `${project}:${version.jobId}`, backendName: `${project}:${version.jobId}`, createdAt: new Date(version.createdAt) });
        }
      }
      return names;
    },
  };
}
