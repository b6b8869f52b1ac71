import type { Aggregate } from '../aggregate.ts';
import { ForgeError, assertNever } from '../errors.ts';
import { event } from '../task/events.ts';

/** Contents of an uploaded file. */
export interface StoredFile {
  /** Of the blob that holds its contents. */
  digest: string;
  bytes: number;
  filename: string;
  purpose: string;
  /** Examples in it. */
  rows: number;
}

/** A file that a client uploaded. What was deleted keeps its digest, so that the blob can be removed later. */
export type FileState = { status: 'none' } | ({ status: 'stored' | 'deleted'; createdAt: number } & StoredFile);

export type FileCommand = ({ type: 'upload' } & StoredFile) | { type: 'delete' };

/** `forge.file.<file id>` */
export const fileAggregate: Aggregate<FileState, FileCommand> = {
  name: 'file',
  initialState: Object.freeze({ status: 'none' }),

  decide(command, state) {
    switch (command.type) {
      case 'upload': {
        const { digest, bytes, filename, purpose, rows } = command;
        if (state.status !== 'none') throw new ForgeError('already_exists', 'this file id is taken');
        return [event('fileUploaded', { digest, bytes: BigInt(bytes), filename, purpose, rows: BigInt(rows) })];
      }
      case 'delete':
        if (state.status === 'none') throw new ForgeError('not_found', 'there is no such file');
        return state.status === 'deleted' ? [] : [event('fileDeleted', {})];
      default:
        return assertNever(command, 'command');
    }
  },

  evolve(state, { kind }, { time }) {
    if (kind.case === 'fileUploaded') {
      const { digest, bytes, filename, purpose, rows } = kind.value;
      return { status: 'stored', createdAt: time, digest, bytes: Number(bytes), filename, purpose, rows: Number(rows) };
    }
    if (kind.case === 'fileDeleted' && state.status === 'stored') return { ...state, status: 'deleted' };
    return state;
  },

  admit(state, { kind }) {
    if (kind.case === 'fileUploaded') return state.status === 'none' ? undefined : 'a file is uploaded twice';
    if (kind.case === 'fileDeleted') return state.status === 'stored' ? undefined : 'a file is deleted that is not there';
    return `${kind.case} does not belong to a file`;
  },
};
