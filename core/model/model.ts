import type { Aggregate } from '../aggregate.ts';
import { ForgeError, assertNever } from '../errors.ts';
import { event } from '../task/events.ts';

export interface ModelVersion {
  jobId: string;
  ggufDigest: string;
  backend: string;
  backendDigest: string;
  /** Unix milliseconds. */
  createdAt: number;
}

/** One project's models: its versions, which never change, and the job that `<project>:latest` points to. */
export interface ModelState {
  versions: readonly ModelVersion[];
  /** Job whose version the alias points to. */
  target: string | undefined;
  /** Jobs that the alias pointed to, the present one last: what there is to go back to. */
  history: readonly string[];
  movedAt: number;
  /** The deploy that was asked for last: only this one may move the alias. */
  requested: { jobId: string; taskId: string } | undefined;
  /** Each rollback that was made, the oldest first: the same request again is a repeat, whatever came after it. */
  rollbacks: readonly Rollback[];
  /** Jobs whose version was deleted and not made again. */
  deleted: readonly string[];
}

export interface Rollback {
  requestId: string;
  /** Job that was served before. */
  from: string;
  /** Job that is served afterwards. */
  to: string;
}

export type ModelCommand =
  | { type: 'request-deploy'; jobId: string; taskId: string }
  | { type: 'create-version'; jobId: string; ggufDigest: string; backend: string; backendDigest: string }
  | { type: 'promote'; jobId: string; taskId: string }
  /** Back to the version before, whatever deploy is under way; only where the alias stands as the caller has seen it. */
  | ({ type: 'rollback' } & Rollback)
  /** Only of a version that the alias does not point to; of one that is gone already it is a repeat. */
  | { type: 'delete-version'; jobId: string }
  | { type: 'delete-alias' };

/** What a rollback has in the place of a deploy's task, before the request's id. */
const rollbackTask = 'rollback:';

export const modelAggregate: Aggregate<ModelState, ModelCommand> = {
  name: 'model',
  initialState: Object.freeze({ versions: [], target: undefined, history: [], movedAt: 0, requested: undefined, rollbacks: [], deleted: [] }),

  decide(command, state) {
    switch (command.type) {
      case 'request-deploy':
        if (state.requested?.taskId === command.taskId) return [];
        return [event('deployRequested', { jobId: command.jobId, taskId: command.taskId })];
      case 'create-version': {
        const { jobId, ggufDigest, backend, backendDigest } = command;
        const known = state.versions.find((version) => version.jobId === jobId);
        if (known?.ggufDigest === ggufDigest && known.backend === backend && known.backendDigest === backendDigest) return [];
        return [event('versionCreated', { jobId, ggufDigest, backend, backendDigest })];
      }
      case 'promote':
        if (state.requested?.taskId !== command.taskId || state.target === command.jobId) return [];
        if (!state.versions.some((version) => version.jobId === command.jobId)) throw new ForgeError('wrong_state', `job ${command.jobId} has no version to promote`);
        return [event('aliasMoved', { jobId: command.jobId })];
      case 'rollback': {
        const { requestId, from, to } = command;
        if (state.rollbacks.some((made) => made.requestId === requestId)) return [];
        const previous = state.history.at(-2);
        if (previous === undefined) throw new ForgeError('wrong_state', 'name: there is no version before the one that is served', { field: 'name' });
        if (state.target !== from || previous !== to) throw new ForgeError('wrong_state', 'name: it was rolled back or deployed meanwhile; look at what is served now, and try again', { field: 'name' });
        return [event('deployRequested', { jobId: to, taskId: `${rollbackTask}${requestId}` }), event('aliasMoved', { jobId: to, rollback: true })];
      }
      case 'delete-version':
        if (state.deleted.includes(command.jobId)) return [];
        if (state.target === command.jobId) throw new ForgeError('wrong_state', 'model: <project>:latest points to this version; deploy another one, roll back, or delete <project>:latest first', { field: 'model' });
        if (!state.versions.some((version) => version.jobId === command.jobId)) throw new ForgeError('not_found', `model: job ${command.jobId} has no version`, { field: 'model' });
        return [event('versionDeleted', { jobId: command.jobId })];
      case 'delete-alias':
        return state.target === undefined ? [] : [event('aliasDeleted', {})];
      default:
        return assertNever(command, 'command');
    }
  },

  evolve(state, { kind }, { time }) {
    if (kind.case === 'deployRequested') {
      const { jobId, taskId } = kind.value;
      const made = taskId.startsWith(rollbackTask) ? [{ requestId: taskId.slice(rollbackTask.length), from: state.target ?? '', to: jobId }] : [];
      return { ...state, requested: { jobId, taskId }, rollbacks: [...state.rollbacks, ...made] };
    }
    if (kind.case === 'versionCreated') {
      const { jobId, ggufDigest, backend, backendDigest } = kind.value;
      const others = state.versions.filter((version) => version.jobId !== jobId);
      return { ...state, deleted: state.deleted.filter((deleted) => deleted !== jobId), versions: [...others, { jobId, ggufDigest, backend, backendDigest, createdAt: time }] };
    }
    if (kind.case === 'aliasMoved') {
      const { jobId, rollback } = kind.value;
      return { ...state, target: jobId, movedAt: time, history: rollback ? state.history.slice(0, -1) : [...state.history, jobId] };
    }
    if (kind.case === 'versionDeleted') {
      const { jobId } = kind.value;
      const history = state.history.filter((one) => one !== jobId).filter((one, at, rest) => one !== rest[at - 1]);
      return { ...state, versions: state.versions.filter((version) => version.jobId !== jobId), history, deleted: [...state.deleted, jobId] };
    }
    // A deploy that is under way does not bring the alias back; one that is asked for afterwards does.
    if (kind.case === 'aliasDeleted') return { ...state, target: undefined, history: [], requested: undefined };
    return state;
  },

  admit(state, { kind }) {
    if (kind.case === 'deployRequested' || kind.case === 'versionCreated') return undefined;
    if (kind.case === 'versionDeleted') return state.target === kind.value.jobId ? `version ${kind.value.jobId} was deleted while the alias points to it` : undefined;
    if (kind.case === 'aliasDeleted') return state.target === undefined ? 'the alias was deleted where there is none' : undefined;
    if (kind.case !== 'aliasMoved') return `${kind.case} does not belong to a model`;
    const { jobId } = kind.value;
    if (kind.value.rollback && state.history.at(-2) !== jobId) return `the alias went back to ${jobId}, where it was not before`;
    return state.versions.some((version) => version.jobId === jobId) ? undefined : `the alias moved to ${jobId}, which has no version`;
  },
};
