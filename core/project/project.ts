import type { Aggregate } from '../aggregate.ts';
import { ForgeError, assertNever } from '../errors.ts';
import type { DecisionMade, PipelinePlanned, ProjectRegistered, RetrainPending } from '../gen/aiforge/v1/events_pb.ts';
import { event } from '../task/events.ts';
import { sameDecision, sameRegistration } from './same.ts';

/** Triggers of what nobody asked for by name. */
const unasked: ReadonlySet<string> = new Set(['watch', 'webhook']);
/** How many decisions are kept in memory; the stream has them all, and lists read the older ones there. */
const maxDecisions = 500;

export interface Decision {
  /** From 1 in its project, and for good, whatever is kept in memory. */
  number: number;
  made: DecisionMade;
  /** Unix milliseconds. */
  at: number;
  /** What lists go by: `at`, but never before the decision before, however the clock was set. */
  order: number;
}

/** A pipeline that has ended: its commit is not tried again by itself until more has changed. */
export interface LastTry {
  pipelineId: string;
  commit: string;
  status: string;
  at: number;
}

/** One name: what is registered under it, what was decided, and the one pipeline that it may have. */
export interface ProjectState {
  registration: ProjectRegistered | undefined;
  registeredAt: number;
  /** When it was deleted, as long as its blobs may still be there, also where the name is registered again; 0 otherwise. */
  deletedAt: number;
  /** URLs of what was registered when it was deleted, as long as their mirrors may still be there. */
  leftMirrors: readonly string[];
  /** When it was deleted last: the blobs of what was trained before are gone. Unix milliseconds; 0 for never. */
  forgottenAt: number;
  active: { pipelineId: string; plan: PipelinePlanned } | undefined;
  pending: RetrainPending | undefined;
  lastTry: LastTry | undefined;
  /** The oldest first. */
  decisions: readonly Decision[];
}

export type ProjectCommand =
  | { type: 'register'; registration: ProjectRegistered }
  | { type: 'delete' }
  /** @param deletedAt of the deletion whose blobs they were: there may have been another since */
  | { type: 'blobs-removed'; deletedAt: number; blobs: bigint; bytes: bigint }
  /** Of a "no", or of a dry look; a "yes" comes with its pipeline. */
  | { type: 'decide'; decision: DecisionMade }
  | { type: 'start-pipeline'; pipelineId: string; plan: PipelinePlanned; decision: DecisionMade }
  | { type: 'end-pipeline'; pipelineId: string; status: string }
  | { type: 'pend'; pending: RetrainPending };

/** `forge.project.<name>` */
export const projectAggregate: Aggregate<ProjectState, ProjectCommand> = {
  name: 'project',
  initialState: Object.freeze({ registration: undefined, registeredAt: 0, deletedAt: 0, leftMirrors: [], forgottenAt: 0, active: undefined, pending: undefined, lastTry: undefined, decisions: [] }),

  decide(command, state) {
    switch (command.type) {
      case 'register':
        if (state.registration === undefined) return [event('projectRegistered', command.registration)];
        if (sameRegistration(state.registration, command.registration)) return [];
        throw new ForgeError('already_exists', 'name: a project of this name is registered with other settings; delete it first, or take another name', { field: 'name' });
      case 'delete':
        if (state.registration === undefined) throw new ForgeError('not_found', 'name: there is no such project', { field: 'name' });
        if (state.active !== undefined) throw new ForgeError('wrong_state', `name: pipeline ${state.active.pipelineId} runs for this project; cancel it first, or wait for its end`, { field: 'name' });
        return [event('projectDeleted', {})];
      case 'blobs-removed':
        return state.deletedAt === 0 || state.deletedAt !== command.deletedAt ? [] : [event('projectBlobsRemoved', { blobs: command.blobs, bytes: command.bytes })];
      case 'decide': {
        const last = state.decisions.at(-1)?.made;
        // What a waiting request was answered with is always said.
        const waited = state.pending !== undefined && state.active === undefined;
        return !waited && last !== undefined && sameDecision(last, command.decision) ? [] : [event('decisionMade', command.decision)];
      }
      case 'start-pipeline':
        if (state.active?.pipelineId === command.pipelineId) return [];
        if (state.active !== undefined) throw new ForgeError('wrong_state', `pipeline ${state.active.pipelineId} runs for this project already`);
        // A look that nobody asked for may have been under way when the project was deleted.
        if (state.registration === undefined && unasked.has(command.plan.trigger)) throw new ForgeError('not_found', 'name: there is no such project any more', { field: 'name' });
        return [event('decisionMade', command.decision), event('pipelineStarted', { pipelineId: command.pipelineId, plan: command.plan })];
      case 'end-pipeline':
        if (state.active?.pipelineId !== command.pipelineId) return [];
        return [event('pipelineEnded', { pipelineId: command.pipelineId, commit: state.active.plan.source?.commit ?? '', status: command.status })];
      case 'pend':
        // One request waits, the last that was made; nothing is to wait for where no pipeline runs.
        return state.active === undefined ? [] : [event('retrainPending', command.pending)];
      default:
        return assertNever(command, 'command');
    }
  },

  evolve(state, { kind }, { time }) {
    switch (kind.case) {
      case 'projectRegistered':
        return { ...state, registration: kind.value, registeredAt: time };
      case 'projectDeleted':
        return { ...state, registration: undefined, registeredAt: 0, deletedAt: time, leftMirrors: withUrl(state), forgottenAt: time, pending: undefined, lastTry: undefined };
      case 'projectBlobsRemoved':
        return { ...state, deletedAt: 0, leftMirrors: [] };
      case 'decisionMade':
        return { ...state, pending: state.active === undefined ? undefined : state.pending, decisions: [...state.decisions, nextDecision(state, kind.value, time)].slice(-maxDecisions) };
      case 'pipelineStarted':
        return { ...state, active: { pipelineId: kind.value.pipelineId, plan: kind.value.plan! }, pending: undefined };
      case 'pipelineEnded': {
        const { pipelineId, commit, status } = kind.value;
        return { ...state, active: undefined, lastTry: { pipelineId, commit, status, at: time } };
      }
      case 'retrainPending':
        return { ...state, pending: kind.value };
      default:
        return state;
    }
  },

  admit(state, { kind }) {
    switch (kind.case) {
      case 'projectRegistered':
        return state.registration === undefined ? undefined : 'a project is registered twice';
      case 'projectDeleted':
        return state.registration === undefined || state.active !== undefined ? 'a project is deleted that is not there, or whose pipeline runs' : undefined;
      case 'projectBlobsRemoved':
        return state.deletedAt === 0 ? 'blobs of a project are removed that was not deleted' : undefined;
      case 'decisionMade':
        return undefined;
      case 'pipelineStarted':
        if (kind.value.plan === undefined) return 'a pipeline is started without a plan';
        return state.active === undefined ? undefined : `pipeline ${kind.value.pipelineId} is started while ${state.active.pipelineId} runs`;
      case 'pipelineEnded':
        return state.active?.pipelineId === kind.value.pipelineId ? undefined : `pipeline ${kind.value.pipelineId} ended, which is not the one that runs`;
      case 'retrainPending':
        return state.active === undefined ? 'a request waits for no pipeline' : undefined;
      default:
        return `${kind.case} does not belong to a project`;
    }
  },
};

function withUrl({ leftMirrors, registration }: ProjectState): readonly string[] {
  const url = registration?.url ?? '';
  return url === '' || leftMirrors.includes(url) ? leftMirrors : [...leftMirrors, url];
}

function nextDecision({ decisions }: ProjectState, made: DecisionMade, at: number): Decision {
  const last = decisions.at(-1);
  return { number: (last?.number ?? 0) + 1, made, at, order: Math.max(at, last?.order ?? 0) };
}
