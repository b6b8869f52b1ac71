import { invalid } from '../../../core/errors.ts';
import { readFields } from '../../openai/request-fields.ts';
import { readInteger, readModel } from './fields.ts';
import type { TextInput } from './text-input.ts';
import { readTextInputs } from './text-input.ts';
import { refuseUnsupported } from './unsupported.ts';

export interface EmbeddedEmbeddingRequest {
  model: string;
  inputs: TextInput[];
  format: 'float' | 'base64';
  dimensions: number | undefined;
}

/** As many as OpenAI takes in one request. */
const mostInputs = 2048;

/** @throws ForgeError invalid_argument */
export function readEmbeddingRequest(body: Uint8Array): EmbeddedEmbeddingRequest {
  const fields = readFields(body);
  refuseUnsupported('embeddings', fields);
  const format = fields['encoding_format'] ?? 'float';
  if (format !== 'float' && format !== 'base64') throw invalid('encoding_format', 'must be float or base64');
  const inputs = readTextInputs('input', fields['input'] ?? undefined, mostInputs);
  if (inputs.includes('')) throw invalid('input', 'must not be an empty text');
  return { model: readModel(fields), inputs, format, dimensions: readInteger(fields, 'dimensions', 1) };
}
