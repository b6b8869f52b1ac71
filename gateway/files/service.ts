import { randomUUID } from 'node:crypto';
import type { BlobStore } from '../../core/blobs/blob-store.ts';
import { ForgeError, invalid } from '../../core/errors.ts';
import { fileAggregate, type FileState, type StoredFile } from '../../core/file/file.ts';
import type { Ledger } from '../../core/store/ledger.ts';
import type { ResultFiles } from '../fine-tuning/result-files.ts';
import { cursorPage, type CursorPage } from '../cursor-page.ts';
import type { FileView } from './stored-file.ts';
import { createUpload, type UploadForm } from './upload.ts';
import type { CallContext } from '../method.ts';

export interface ListFiles {
  purpose: string | undefined;
  after: string | undefined;
  /** 1 to 10,000. */
  limit: number;
  order: 'asc' | 'desc';
}

export interface FileService {
  upload(form: UploadForm, context: Pick<CallContext, 'idempotencyKey' | 'caller'>): Promise<FileView>;
  list(request: ListFiles): Promise<CursorPage<FileView>>;
  /** @throws ForgeError not_found */
  get(id: string): Promise<FileView>;
  /** @throws ForgeError not_found */
  contents(id: string): Promise<{ file: FileView; chunks: AsyncIterable<Uint8Array> }>;
  /** @throws ForgeError not_found, wrong_state (results go with their job) */
  remove(id: string): Promise<void>;
}

/** Files that clients uploaded, and those that jobs have made. */
export function createFileService(deps: { ledger: Ledger; blobs: BlobStore; results: ResultFiles }): FileService {
  const { ledger, blobs, results } = deps;

  return {
    upload: createUpload(deps),
    async list({ purpose, after, limit, order }) {
      const known: { id: string; createdAt: number; purpose: string; view: () => Promise<FileView | undefined> }[] = [];
      for (const [id, state] of ledger.all(fileAggregate)) {
        if (state.status === 'stored') known.push({ id, createdAt: state.createdAt, purpose: state.purpose, view: async () => viewFile(id, state) });
      }
      known.push(...results.list());
      const wanted = known.filter((file) => purpose === undefined || file.purpose === purpose);
      wanted.sort((a, b) => a.createdAt - b.createdAt || (a.id < b.id ? -1 : 1));
      if (order === 'desc') wanted.reverse();
      const page = cursorPage(wanted, { after, limit }, (file) => file.id);
      const items: FileView[] = [];
      for (const file of page.items) {
        const view = await file.view();
        if (view !== undefined) items.push(view);
      }
      return { items, hasMore: page.hasMore };
    },
    async get(id) {
      return (await results.get(id)) ?? viewFile(id, await findFile(ledger, id));
    },
    async contents(id) {
      const result = await results.get(id);
      if (result !== undefined) return { file: result, chunks: results.read(id) };
      const file = await findFile(ledger, id);
      if ((await blobs.stat(file.digest)) === undefined) throw unknownFile(id);
      return { file: viewFile(id, file), chunks: blobs.read(file.digest) };
    },
    async remove(id) {
      if ((await results.get(id)) !== undefined) throw new ForgeError('wrong_state', `file_id: ${id} is made of its job's metrics and can't be deleted by itself`, { field: 'file_id' });
      await findFile(ledger, id);
      const { version } = await ledger.execute(fileAggregate, id, { type: 'delete' }, { commandId: randomUUID(), actor: 'client', time: Date.now() });
      await ledger.waitFor(version);
    },
  };
}

type Stored = Extract<FileState, StoredFile>;

/** @param field of the request, for the error. @throws ForgeError not_found */
export async function findFile(ledger: Ledger, id: string, field = 'file_id'): Promise<Stored> {
  const { state } = await ledger.find(fileAggregate, id);
  if (state.status !== 'stored') throw unknownFile(id, field);
  return state;
}

/** A file that a job is to be trained or measured on. @throws ForgeError not_found, invalid_argument */
export async function findTrainingFile(ledger: Ledger, id: string, field: string): Promise<Stored> {
  const file = await findFile(ledger, id, field);
  if (file.purpose !== 'fine-tune') throw invalid(field, `must be a file with purpose "fine-tune", not "${file.purpose}"`);
  return file;
}

function unknownFile(id: string, field = 'file_id'): ForgeError {
  return new ForgeError('not_found', `${field}: there is no file "${id.slice(0, 100)}"`, { field });
}

function viewFile(id: string, { createdAt, filename, purpose, bytes }: Stored): FileView {
  return { id, createdAt, filename, purpose, bytes };
}
