import type { IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import { Busboy, type BusboyHeaders, type BusboyInstance } from '@fastify/busboy';
import { ForgeError, invalid, isForgeError } from '../../../core/errors.ts';
import { maxTrainingFileBytes } from '../../../core/training-file/limits.ts';
import { checkPurpose } from '../../files/purpose.ts';

/** Beside the file: names, values, boundaries. */
const maxFormBytes = 64 << 10;
const limits = { files: 1, fields: 8, parts: 9, fieldSize: 1024, fieldNameSize: 100, headerPairs: 16, headerSize: 4096 };

/** The parts of an upload as they come: the file while it comes, the purpose when all has come. */
export interface FileForm {
  filename: string;
  contents: Readable;
  purpose(): Promise<string | undefined>;
}

/**
 * Reads a `multipart/form-data` request with `file` and `purpose`, in either order, in bounded memory.
 * @returns when the file's part begins
 * @throws ForgeError invalid_argument (names the field), too_large, cancelled (the client went away)
 */
export async function readFileForm(request: IncomingMessage): Promise<FileForm> {
  if (Number(request.headers['content-length'] ?? 0) > maxTrainingFileBytes + maxFormBytes) throw tooLarge();
  const parser = openParser(request);
  const begun = Promise.withResolvers<{ filename: string; contents: Readable }>();
  const ended = Promise.withResolvers<string | undefined>();
  // Each is waited for by somebody, or by nobody where something else went wrong first.
  for (const { promise } of [begun, ended]) promise.catch(() => undefined);
  let contents: Readable | undefined;
  let purpose: string | undefined;

  const fail = (cause: unknown): void => {
    request.unpipe(parser);
    const error = isForgeError(cause) ? cause : invalid('body', 'must be a whole multipart/form-data form');
    begun.reject(error);
    ended.reject(error);
    contents?.destroy(error);
  };
  parser.on('file', (name, stream, filename) => {
    stream.on('error', () => undefined);
    contents = stream;
    if (name !== 'file') return fail(invalid(name.slice(0, 100), 'is not known here; the form has "file" and "purpose"'));
    begun.resolve({ filename: filename ?? '', contents: stream });
  });
  parser.on('field', (name, value, _nameTruncated, truncated) => {
    try {
      if (name === 'file') throw invalid('file', 'must be a file, with a file name');
      if (name.startsWith('expires_after')) throw invalid('expires_after', 'is not supported: files are kept until they are deleted; leave it out');
      if (name !== 'purpose') throw invalid(name.slice(0, 100), 'is not known here; the form has "file" and "purpose"');
      if (purpose !== undefined) throw invalid('purpose', 'must be given once');
      purpose = checkPurpose(truncated ? `${value}...` : value);
    } catch (error) {
      fail(error);
    }
  });
  parser.on('filesLimit', () => fail(invalid('file', 'must be given once')));
  for (const limit of ['fieldsLimit', 'partsLimit'] as const) parser.on(limit, () => fail(invalid('body', 'has too many parts')));
  parser.on('error', fail);
  parser.on('finish', () => {
    begun.reject(invalid('file', 'is required'));
    ended.resolve(purpose);
  });
  request.on('error', fail);
  request.once('close', () => {
    if (!request.complete) fail(new ForgeError('cancelled', 'The client went away'));
  });
  request.pipe(parser);
  const file = await begun.promise;
  return { ...file, purpose: () => ended.promise };
}

/**
 * Reads what is left of a refused form and drops it: a client that is busy sending would otherwise find its connection
 * reset instead of an answer. There is an end to that, too.
 */
export async function dropRest(request: IncomingMessage): Promise<void> {
  if (request.readableEnded || request.destroyed || Number(request.headers['content-length'] ?? 0) > 2 * maxTrainingFileBytes) return;
  request.unpipe();
  let left = maxTrainingFileBytes;
  await new Promise<void>((done) => {
    request.once('end', done).once('close', done);
    request.on('data', (chunk: Buffer) => {
      left -= chunk.length;
      if (left < 0) done();
    });
    request.resume();
  });
}

function openParser(request: IncomingMessage): BusboyInstance {
  const type = request.headers['content-type'] ?? '';
  if (!/^multipart\/form-data\s*;/i.test(type)) throw invalid('body', 'must be multipart/form-data with "file" and "purpose"');
  try {
    return new Busboy({ headers: request.headers as BusboyHeaders, limits });
  } catch (cause) {
    throw invalid('body', `must be multipart/form-data with a boundary: ${(cause as Error).message}`);
  }
}

function tooLarge(): ForgeError {
  return new ForgeError('too_large', `file: must have at most ${maxTrainingFileBytes} bytes`, { field: 'file' });
}
