import { ForgeError } from '../../core/errors.ts';
import type { Rendering } from './export-record.ts';

/** What a backend made of the same conversation; `tokenIds` or `tokenCount` where it can tell. */
export interface BackendRendering {
  text: string;
  tokenIds?: readonly number[];
  tokenCount?: number;
}

const around = 40;

/**
 * Compares a backend's prompts with the trainer's, text and tokens. A model that is asked in another form than it was
 * trained in answers badly without any error, so a difference is refused.
 * @param render undefined: the backend can't be asked for this one
 * @throws ForgeError wrong_state, showing the first difference
 */
export async function checkParity(name: string, renderings: readonly Rendering[], render: (rendering: Rendering) => Promise<BackendRendering | undefined>): Promise<void> {
  for (const [index, expected] of renderings.entries()) {
    const actual = await render(expected);
    const difference = actual && (textDifference(expected.text, actual.text) ?? tokenDifference(expected.token_ids, actual));
    if (difference === undefined) continue;
    const roles = expected.messages.map((message) => message.role).join(', ');
    throw new ForgeError('wrong_state', `${name}: the backend's prompt differs from the one the model was trained with, in conversation ${index + 1} (${roles}): ${difference}`);
  }
}

/** @returns where and how two texts differ first; undefined when they are equal */
export function textDifference(expected: string, actual: string): string | undefined {
  if (expected === actual) return undefined;
  let at = 0;
  while (at < expected.length && expected[at] === actual[at]) at++;
  const show = (text: string) => JSON.stringify(text.slice(Math.max(0, at - around), at + around));
  return `at character ${at} the trainer has ${show(expected)}, the backend ${show(actual)}`;
}

function tokenDifference(expected: readonly number[], actual: BackendRendering): string | undefined {
  const { tokenIds, tokenCount } = actual;
  if (tokenIds !== undefined) {
    const at = expected.findIndex((id, index) => id !== tokenIds[index]);
    if (at < 0 && tokenIds.length === expected.length) return undefined;
    const where = at < 0 ? expected.length : at;
    return `the texts are equal, but token ${where} of ${expected.length} is ${expected[where] ?? 'none'} for the trainer and ${tokenIds[where] ?? 'none'} for the backend (of ${tokenIds.length})`;
  }
  if (tokenCount !== undefined && tokenCount !== expected.length) return `the texts are equal, but the trainer makes ${expected.length} tokens of them and the backend ${tokenCount}`;
  return undefined;
}
