import { create } from '@bufbuild/protobuf';
import type { Config } from '../../core/config.ts';
import { ForgeError, isForgeError, type ErrorCode } from '../../core/errors.ts';
import type { RetrainPending } from '../../core/gen/aiforge/v1/events_pb.ts';
import { RetrainRequestSchema } from '../../core/gen/aiforge/v1/retrain_pb.ts';
import type { Logger } from '../../core/logger.ts';
import { projectAggregate } from '../../core/project/project.ts';
import { unknownProject } from '../../core/project/unknown.ts';
import { within } from '../git/deadline.ts';
import { resolveRef } from '../git/ref.ts';
import { digestTags } from '../git/tags.ts';
import { findProject, registeredAs } from '../projects/find.ts';
import { openSource } from '../projects/source.ts';
import { currentTraining } from '../projects/trained.ts';
import { resolveTimeoutMs } from '../resolve.ts';
import { consider, type Considered } from '../retrain/consider.ts';
import type { LookDeps } from '../retrain/look.ts';
import type { Answer } from '../retrain/retrain.ts';
import { recordNo } from '../retrain/start.ts';
import { createWatcher, type Cause } from './watcher.ts';

const refTimeoutMs = 10_000;
/** Errors that pass by themselves: the next look tries again. */
const passing: ReadonlySet<ErrorCode> = new Set(['unavailable', 'version_conflict', 'deadline_exceeded', 'cancelled']);

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
    if (pending !== undefined && active === undefined) {
      await answerPending(name, pending, signal);
      return { ages: false };
    }
    const project = registered(name);
    const request = create(RetrainRequestSchema, { autoDeploy: project.registration!.autoDeploy, requireApproval: project.registration!.requireApproval });
    const trigger = cause === 'webhook' ? 'webhook' : 'watch';
    const considered = await consider({ project, request, trigger, idempotencySha256: '', requestSha256: '' }, deps, signal);
    tell(name, considered);
    return { ages: considered.outcome === 'no' && considered.ages };
  }

  /** What waited is carried out or refused, once: it must not come up again for ever. */
  async function answerPending(name: string, { request, idempotencySha256, requestSha256 }: RetrainPending, signal: AbortSignal): Promise<void> {
    try {
      const project = registeredAs(ledger, name) ?? (await findProject(request!, ledger, { projectRoots, timeoutMs: resolveTimeoutMs }));
      if (project.name !== name) throw new ForgeError('invalid_argument', `its repository belongs to project ${project.name} by now`);
      const keys = { idempotencySha256: Buffer.from(idempotencySha256).toString('hex'), requestSha256: Buffer.from(requestSha256).toString('hex') };
      tell(name, await consider({ project, request: request!, trigger: 'request', ...keys }, deps, signal));
    } catch (error) {
      if (!isForgeError(error) || passing.has(error.code)) throw error;
      await recordNo(ledger, name, { reason: `the request that waited can not be carried out: ${error.message}`, metrics: undefined, trigger: 'request' });
    }
  }

  function tell(project: string, considered: Considered): void {
    if (considered.outcome === 'started') logger.info('a pipeline was started', { project, id: considered.pipelineId, trigger: considered.plan.trigger, reason: considered.reason });
  }

  function registered(name: string) {
    const project = registeredAs(ledger, name);
    if (project === undefined) throw unknownProject(name);
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
