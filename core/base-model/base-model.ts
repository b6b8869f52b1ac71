import type { Aggregate } from '../aggregate.ts';
import type { ModelShape } from '../gen/aiforge/v1/task_pb.ts';
import { event } from '../task/events.ts';

/** A base model that is made here: which build everybody uses. The first pin wins, so that hosts agree. */
export type BaseModelState = { status: 'none' } | ({ status: 'pinned' } & Pinned);

export type BaseModelCommand = { type: 'pin' } & Pinned;

export interface Pinned {
  baseModel: string;
  treeDigest: string;
  baseModelDigest: string;
  /** Undefined where whoever pinned it did not say. */
  shape?: ModelShape | undefined;
}

/** `forge.base.<name>` */
export const baseModelAggregate: Aggregate<BaseModelState, BaseModelCommand> = {
  name: 'base',
  initialState: Object.freeze({ status: 'none' }),

  decide({ baseModel, treeDigest, baseModelDigest, shape }, state) {
    return state.status === 'pinned' ? [] : [event('baseModelPinned', { baseModel, treeDigest, baseModelDigest, ...(shape === undefined ? {} : { shape }) })];
  },

  evolve(state, { kind }) {
    if (kind.case !== 'baseModelPinned') return state;
    const { baseModel, treeDigest, baseModelDigest, shape } = kind.value;
    return { status: 'pinned', baseModel, treeDigest, baseModelDigest, ...(shape === undefined ? {} : { shape }) };
  },

  admit(state, { kind }) {
    if (kind.case !== 'baseModelPinned') return `${kind.case} does not belong to a base model`;
    return state.status === 'none' ? undefined : 'a base model is pinned twice';
  },
};
