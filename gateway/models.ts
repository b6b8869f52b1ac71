import { modelAggregate, type ModelState } from '../core/model/model.ts';
import type { Ledger } from '../core/store/ledger.ts';
import type { BackendModels } from './backend-models.ts';
import type { ListedModel, ModelDirectory } from './openai/model-directory.ts';

/**
 * Names that are served: from events `<project>:latest` (also plain `<project>`) and `<project>:<job id>`, and what the
 * backend has beside them (base models) under its own names.
 * @param hasVersionsOf whether what was deployed to that backend is served by the present one
 */
export function createModelDirectory(ledger: Ledger, hasVersionsOf: (backend: string) => boolean, backend?: BackendModels): ModelDirectory {
  const served = (state: ModelState, jobId: string | undefined): boolean => state.versions.some((version) => version.jobId === jobId && hasVersionsOf(version.backend));
  /** Of a project's names its events alone tell: what was deleted is not served because its files are still there. */
  const own = (): ListedModel[] =>
    (backend?.current() ?? [])
      .filter(({ name }) => ledger.head(modelAggregate, splitModelName(name).project).version === 0)
      .map(({ name, modifiedAt }) => ({ name, backendName: name, createdAt: modifiedAt }));
  return {
    refresh: async () => backend?.refresh(),
    resolve(name) {
      const { project, tag } = splitModelName(name);
      const { state } = ledger.head(modelAggregate, project);
      const jobId = tag === 'latest' ? state.target : tag;
      if (jobId !== undefined && served(state, jobId)) return { backendName: `${project}:${jobId}` };
      // Ollama's names have a tag too, and `latest` may be left out.
      return own().find((model) => model.name === name || model.name === `${name}:latest`);
    },
    active() {
      let newest: { name: string; movedAt: number } | undefined;
      for (const [project, state] of ledger.all(modelAggregate)) {
        if (served(state, state.target) && state.movedAt >= (newest?.movedAt ?? 0)) newest = { name: `${project}:latest`, movedAt: state.movedAt };
      }
      return newest?.name;
    },
    list() {
      const names: ListedModel[] = [];
      for (const [project, state] of ledger.all(modelAggregate)) {
        if (served(state, state.target)) names.push({ name: `${project}:latest`, backendName: `${project}:${state.target}`, createdAt: new Date(state.movedAt) });
        for (const version of state.versions) {
          if (served(state, version.jobId)) names.push({ name: `${project}:${version.jobId}`, backendName: `${project}:${version.jobId}`, createdAt: new Date(version.createdAt) });
        }
      }
      return [...names, ...own()];
    },
  };
}

/** `<project>`, `<project>:latest` and `<project>:<job id>`. */
export function splitModelName(name: string): { project: string; tag: string } {
  const colon = name.lastIndexOf(':');
  return colon < 0 ? { project: name, tag: 'latest' } : { project: name.slice(0, colon), tag: name.slice(colon + 1) };
}
