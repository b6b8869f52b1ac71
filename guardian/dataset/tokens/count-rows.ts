import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { hashedLines } from '../../training-file/lines.ts';
import { createBreather } from '../breather.ts';
import type { TokenCounter } from './counter.ts';

export interface TokenTotals {
  rows: number;
  /** Of the contents of all messages; roles and the marks of a chat template are not counted. */
  tokens: number;
  /** Tokens by the kind of row, in the order of names. Rows without a kind are in `tokens` alone. */
  byKind: Record<string, number>;
}

const maxLineBytes = 16 << 20;

/**
 * Counts the tokens of a dataset's file.
 * @param path JSON lines with `messages` and `kind`
 * @param progress called with a share from 0 to 1
 * @throws Error with the line's number when a line is no row
 */
export async function countRows(path: string, count: TokenCounter, signal: AbortSignal, progress: (share: number) => void): Promise<TokenTotals> {
  const { size } = await stat(path);
  const breathe = createBreather(signal);
  const kinds = new Map<string, number>();
  const totals = { rows: 0, tokens: 0 };
  let read = 0;
  for await (const { line, text, bytes } of hashedLines(path, createHash('sha256'), maxLineBytes, signal)) {
    await breathe();
    const { contents, kind } = readRow(path, line, text);
    const tokens = contents.reduce((sum, content) => sum + count(content), 0);
    totals.rows += 1;
    totals.tokens += tokens;
    if (kind !== undefined) kinds.set(kind, (kinds.get(kind) ?? 0) + tokens);
    read += bytes;
    progress(Math.min(1, read / size));
  }
  return { ...totals, byKind: Object.fromEntries([...kinds].sort(([a], [b]) => (a < b ? -1 : 1))) };
}

function readRow(path: string, line: number, text: string): { contents: string[]; kind: string | undefined } {
  let row: { messages?: unknown; kind?: unknown };
  try {
    row = JSON.parse(text);
  } catch (cause) {
    throw new Error(`${path}: line ${line} is not JSON`, { cause });
  }
  const contents = Array.isArray(row?.messages) ? row.messages.map((message: { content?: unknown } | null) => message?.content) : [undefined];
  if (!contents.every((content) => typeof content === 'string')) throw new Error(`${path}: line ${line} has no messages with contents of text`);
  return { contents, kind: typeof row.kind === 'string' ? row.kind : undefined };
}
