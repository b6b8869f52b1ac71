import { ResolveRequestSchema, ResolveResponseSchema } from '../../core/gen/aiforge/v1/guardian_pb.ts';
import type { GuardianClient } from '../guardian-client.ts';

/** What to make a dataset of: a repository (or the URL of a remote one) at a commit. */
export interface ResolvedSource {
  repository: string;
  url: string;
  commit: string;
  /** The project that it belongs to: the one that was named, else the path's; empty for none. */
  project: string;
}

export type Resolve = (project: { projectName: string; projectPath: string; ref: string }) => Promise<ResolvedSource>;

/** Asks the guardian what is meant, which pins the commit. @returns a function that throws ForgeError */
export function createResolve(guardian: GuardianClient): Resolve {
  return async (project) => {
    const { response } = await guardian.call({ name: 'Resolve', input: ResolveRequestSchema, output: ResolveResponseSchema }, project, {});
    return { repository: response.repository, url: response.url, commit: response.commit, project: response.projectName };
  };
}
