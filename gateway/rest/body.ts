import type { IncomingMessage } from 'node:http';
import { ForgeError, invalid } from '../../core/errors.ts';
import { ByteChunks } from '../port/byte-chunks.ts';
import { JsonSyntaxError, parseJson, type JsonObject } from './json-text.ts';

const utf8 = new TextDecoder('utf-8', { fatal: true });

/**
 * Reads a JSON object from a request. An empty body is an empty object.
 * @throws ForgeError too_large as soon as more than `maxBytes` are announced or have come;
 *   invalid_argument where it is not a JSON object in UTF-8; cancelled where the client went away
 */
export async function readJsonBody(request: IncomingMessage, maxBytes: number): Promise<JsonObject> {
  checkHeaders(request, maxBytes);
  const bytes = await readBytes(request, maxBytes);
  if (bytes.length === 0) return Object.create(null) as JsonObject;
  let text: string;
  try {
    text = utf8.decode(bytes);
  } catch {
    throw invalid('body', 'is not valid UTF-8');
  }
  let value;
  try {
    value = parseJson(text);
  } catch (error) {
    if (error instanceof JsonSyntaxError) throw invalid('body', `is not valid JSON: ${error.message}`);
    throw error;
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw invalid('body', 'must be a JSON object in braces');
  return value;
}

function checkHeaders(request: IncomingMessage, maxBytes: number): void {
  const length = Number(request.headers['content-length'] ?? '0');
  if (length > maxBytes) throw tooLarge(maxBytes);
  const encoding = request.headers['content-encoding'];
  if (encoding !== undefined && encoding !== 'identity') throw invalid('Content-Encoding', 'a compressed body is not accepted; send it plain');
  const type = request.headers['content-type'];
  if (type !== undefined && !/^application\/(?:[\w.+-]+\+)?json\s*(?:;\s*charset\s*=\s*"?utf-8"?\s*)?$/i.test(type)) {
    throw invalid('Content-Type', 'must be application/json (in UTF-8)');
  }
}

function readBytes(request: IncomingMessage, maxBytes: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks = new ByteChunks();
    let length = 0;
    request.on('data', (chunk: Buffer) => {
      length += chunk.length;
      if (length <= maxBytes) return void chunks.push(chunk);
      // What still comes is dropped, until the port ends the connection.
      chunks.clear();
      reject(tooLarge(maxBytes));
    });
    request.on('end', () => resolve(chunks.bytes()));
    const gone = (): void => reject(new ForgeError('cancelled', 'The client went away'));
    request.on('error', gone);
    request.on('close', gone);
  });
}

function tooLarge(maxBytes: number): ForgeError {
  return new ForgeError('too_large', `body: must be at most ${maxBytes} bytes`, { field: 'body' });
}
