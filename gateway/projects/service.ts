import { ProjectService } from '../../core/gen/aiforge/v1/project_pb.ts';
import { projectAggregate } from '../../core/project/project.ts';
import { unknownProject } from '../../core/project/unknown.ts';
import { viewProject } from '../../core/project/view.ts';
import type { Ledger } from '../../core/store/ledger.ts';
import type { Forward } from '../forward.ts';
import type { InferenceBackend } from '../inference/backend.ts';
import type { Implementation } from '../method.ts';
import { pageOf } from '../page.ts';
import { rollbackModel } from './rollback.ts';

interface Deps {
  ledger: Ledger;
  backend: InferenceBackend;
  forward: Forward;
}

/** Registering and deleting is the guardian's, which has the repositories; the rest is read from the fold. */
export function createProjectService(deps: Deps): Implementation<typeof ProjectService> {
  const { ledger, forward } = deps;
  const { method } = ProjectService;
  return {
    createProject: forward(method.createProject),
    async listProjects(request) {
      const names: string[] = [];
      for (const [name, { registration }] of ledger.all(projectAggregate)) if (registration !== undefined) names.push(name);
      const page = pageOf(names.sort(), request, (name) => name);
      return { projects: page.items.map((name) => viewProject(ledger, name)!), nextPageToken: page.next };
    },
    async getProject({ name }) {
      const project = viewProject(ledger, name);
      if (project === undefined) throw unknownProject(name);
      return { project };
    },
    deleteProject: forward(method.deleteProject),
    rollbackModel: ({ name }, context) => rollbackModel(deps, name, context),
  };
}
