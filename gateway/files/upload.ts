import { createHash, randomBytes, randomUUID } from 'node:crypto';
import type { BlobStore } from '../../core/blobs/blob-store.ts';
import { ForgeError, invalid, isForgeError } from '../../core/errors.ts';
import { fileAggregate } from '../../core/file/file.ts';
import { sha256Hex } from '../../core/store/envelope.ts';
import type { Ledger } from '../../core/store/ledger.ts';
import { reserve } from '../jobs/create-job.ts';
import { keyHash } from '../jobs/submit.ts';
import type { CallContext } from '../method.ts';
import { createChatFileCheck } from './check-chat-file.ts';
import { checkPurpose } from './purpose.ts';
import type { FileView } from './stored-file.ts';

const maxUploads = 16;

/** A form as it comes in: its fields may stand before or after the contents. */
export interface UploadForm {
  filename: string;
  contents: AsyncIterable<Uint8Array>;
  /** Resolves when the whole form was read. */
  purpose(): Promise<string | undefined>;
}

export interface UploadDeps {
  ledger: Ledger;
  blobs: BlobStore;
}

/**
 * Stores a file. It is there when its event is: whatever is wrong, and whoever goes away before, leaves nothing behind.
 * @returns a function that throws ForgeError invalid_argument (field, or line numbers), too_large, rate_limited
 */
export function createUpload({ ledger, blobs }: UploadDeps): (form: UploadForm, context: Pick<CallContext, 'idempotencyKey' | 'caller'>) => Promise<FileView> {
  let uploads = 0;

  async function store(form: UploadForm, context: Pick<CallContext, 'idempotencyKey' | 'caller'>): Promise<FileView> {
    const key = keyHash(context);
    const filename = checkFilename(form.filename);
    const check = createChatFileCheck();
    const time = Date.now();
    let id = `file-${randomBytes(12).toString('hex')}`;
    let purpose = '';
    let rows = 0;
    // What throws before it ends is never stored.
    const checked = async function* (): AsyncGenerator<Uint8Array> {
      const hash = createHash('sha256');
      for await (const chunk of check.pass(form.contents)) {
        if (key !== undefined) hash.update(chunk);
        yield chunk;
      }
      purpose = checkPurpose(await form.purpose());
      rows = check.rows();
      if (key !== undefined) id = await reserve(ledger, { sha256: key, bodySha256: sha256Hex(JSON.stringify([hash.digest('hex'), filename, purpose])) }, id, time);
    };
    const { digest, size } = await blobs.put(checked());
    try {
      const command = { type: 'upload', digest, bytes: size, filename, purpose, rows } as const;
      const { version } = await ledger.execute(fileAggregate, id, command, { commandId: key ?? randomUUID(), actor: 'client', time });
      await ledger.waitFor(version);
    } catch (error) {
      // The same request came before, and its answer may have been lost.
      if (key === undefined || !isForgeError(error, 'already_exists')) throw error;
    }
    // It may have been removed as what nobody names, in the moment before the event named it.
    if ((await blobs.stat(digest)) === undefined) throw new ForgeError('unavailable', 'file: its contents were removed with those of another file; upload it again', { field: 'file', retryAfterSeconds: 1 });
    const { state } = ledger.head(fileAggregate, id);
    if (state.status !== 'stored') throw new ForgeError('wrong_state', `Idempotency-Key: it was used for ${id}, which was deleted; use a new key`, { field: 'Idempotency-Key' });
    return { id, createdAt: state.createdAt, filename, purpose, bytes: size };
  }

  return async (form, context) => {
    if (uploads >= maxUploads) throw new ForgeError('rate_limited', `${maxUploads} files are being uploaded; try again when one is through`, { retryAfterSeconds: 5 });
    uploads += 1;
    try {
      return await store(form, context);
    } finally {
      uploads -= 1;
    }
  };
}

function checkFilename(filename: string): string {
  if (filename === '' || filename.length > 255 || /[\0-\x1f\x7f/\\]/.test(filename)) throw invalid('file', 'must come with a plain file name of 1 to 255 characters');
  return filename;
}
