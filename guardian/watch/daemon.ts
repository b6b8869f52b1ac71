import { create } from '@bufbuild/protobuf';
import type { Config } from '../../core/config.ts';
import { ForgeError } from '../../core/errors.ts';
import { RetrainRequestSchema } from '../../core/gen/aiforge/v1/retrain_pb.ts';
import type { Logger } from '../../core/logger.ts';
import { projectAggregate } from '../../core/project/project.ts';
import { within } from '../git/deadline.ts';
import { resolveRef } from '../git/ref.ts';
import { digestTags } from '../git/tags.ts';
import { findProject, registeredAs } from '../projects/find.ts';
import { openSource } from '../projects/source.ts';
import { currentTraining } from '../projects/trained.ts';
import { resolveTimeoutMs } from '../resolve.ts';
import { consider } from '../retrain/consider.ts';
import type { LookDeps } from '../retrain/look.ts';
import type { Answer } from '../retrain/retrain.ts';
import { createWatcher, type Cause } from './watcher.ts';

const refTimeoutMs = 10_000;

export interface Daemon {
  start(): void;
  notice(project: string, cause: Cause): void;
  /** A webhook said that something was pushed. @throws ForgeError not_found */
  noticePush(project: string): Answer<object>;
  stop(): Promise<void>;
}

/** Watches registered projects, and decides for them what nobody asked; also what waited for a pipeline's end. */
export function createDaemon(deps: LookDeps & { config: Pick<Config, 'watchMs' | 'debounceMs'>; logger: Logger }): Daemon {
  const { ledger, mirrors, projectRoots, config, logger } = deps;

  /** Commit, tags and the training to compare with: another one of these may make another decision. */
  async function fingerprint(name: string, signal: AbortSignal): Promise<string> {
    const project = registered(name);
    const { path } = await openSource(project, mirrors, projectRoots, signal);
    const commit = await resolveRef(path, project.ref || 'HEAD', refTimeoutMs);
    const tags = await within(refTimeoutMs, signal, `the tags of ${path} could not be read`, (limited) => digestTags(path, limited));
    return `${commit} ${tags} ${currentTraining(ledger, name)?.jobId ?? ''}`;
  }

  async function decide(name: string, cause: Cause, signal: AbortSignal): Promise<{ ages: boolean }> {
    const { pending, active } = ledger.head(projectAggregate, name).state;
    const waited = active === undefined ? pending?.request : undefined;
    const project = waited === undefined ? registered(name) : await findProject(waited, ledger, { projectRoots, timeoutMs: resolveTimeoutMs });
    const own = create(RetrainRequestSchema, { autoDeploy: project.registration?.autoDeploy ?? false, requireApproval: project.registration?.requireApproval ?? false });
    const trigger = waited !== undefined ? 'request' : cause === 'webhook' ? 'webhook' : 'watch';
    const considered = await consider({ project, request: waited ?? own, trigger, idempotencySha256: '', requestSha256: '' }, deps, signal);
    if (considered.outcome === 'started') logger.info('a pipeline was started', { project: name, id: considered.pipelineId, trigger, reason: considered.reason });
    return { ages: considered.outcome === 'no' && considered.ages };
  }

  function registered(name: string) {
    const project = registeredAs(ledger, name);
    if (project === undefined) throw new ForgeError('not_found', `name: there is no project "${name.slice(0, 100)}"`, { field: 'name' });
    return project;
  }

  const watcher = createWatcher({ ledger, fingerprint, decide, intervalMs: config.watchMs, debounceMs: config.debounceMs, logger });
  return {
    start: watcher.start,
    notice: watcher.notice,
    noticePush(name) {
      if (registered(name).registration?.watch !== true) throw new ForgeError('wrong_state', `name: project ${name} is not watched; register it with "watch": true`, { field: 'name' });
      watcher.notice(name, 'webhook');
      return { response: {}, sequence: 0 };
    },
    stop: watcher.stop,
  };
}
