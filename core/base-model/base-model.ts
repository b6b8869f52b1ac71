import type { Aggregate } from '../aggregate.ts';
import { event } from '../task/events.ts';

/** A base model that is made here: which build everybody uses. The first pin wins, so that hosts agree. */
export type BaseModelState = { status: 'none' } | { status: 'pinned'; baseModel: string; treeDigest: string; baseModelDigest: string };

export type BaseModelCommand = { type: 'pin'; baseModel: string; treeDigest: string; baseModelDigest: string };

/** `forge.base.<name>` */
export const baseModelAggregate: Aggregate<BaseModelState, BaseModelCommand> = {
  name: 'base',
  initialState: Object.freeze({ status: 'none' }),

  decide({ baseModel, treeDigest, baseModelDigest }, state) {
    return state.status === 'pinned' ? [] : [event('baseModelPinned', { baseModel, treeDigest, baseModelDigest })];
  },

  evolve(state, { kind }) {
    if (kind.case !== 'baseModelPinned') return state;
    const { baseModel, treeDigest, baseModelDigest } = kind.value;
    return { status: 'pinned', baseModel, treeDigest, baseModelDigest };
  },

  admit(state, { kind }) {
    if (kind.case !== 'baseModelPinned') return `${kind.case} does not belong to a base model`;
    return state.status === 'none' ? undefined : 'a base model is pinned twice';
  },
};
