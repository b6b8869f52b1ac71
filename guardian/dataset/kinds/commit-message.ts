import { readCommits, type Change, type Commit } from '../history/commits.ts';
import { readLines } from '../history/contents.ts';
import { diffLines, type Hunk } from '../history/line-diff.ts';
import { HistoryGap } from '../history/read-output.ts';
import type { Side } from '../row.ts';
import type { DatasetSettings } from '../settings.ts';
import type { SourceFile } from '../source-file.ts';
import type { Example } from './example.ts';

/** A change over more files, or longer than this, does not fit into a row. */
const maxFiles = 3;
const maxDiffChars = 1_000;
const minMessageChars = 12;
const maxMessageChars = 500;
const contextLines = 2;
/** Who signed and reviewed is not what was changed. */
const trailer = /^(?:[A-Z][A-Za-z]*-[A-Za-z-]+|PR-URL|Fixes|Closes|Refs|Reviewed|Bug|Issue): .*$/;

export interface CommitExamples {
  examples: Record<Side, Example[]>;
  /** Commits that were not looked at, since there is too much to read. */
  unread: number;
  /** Why there are none at all, where this copy lacks history that others have. */
  gap?: string;
}

/**
 * Asks for the message of a commit, given its change. A commit is taken only when all that it changes is on one side
 * now: else training would see lines of held-out files. Where a part of history is missing, none is taken, so that the
 * dataset does not depend on how much this copy happens to hold.
 * @param sides the files of the dataset, by path
 */
export async function commitExamples(repository: string, commit: string, settings: DatasetSettings, sides: ReadonlyMap<string, { file: SourceFile; side: Side }>, signal: AbortSignal): Promise<CommitExamples> {
  try {
    const examples: Record<Side, Example[]> = { train: [], heldout: [] };
    const { commits, unread } = await readCommits(repository, commit, settings.maxCommits, maxFiles, signal);
    const chosen = commits.flatMap((one) => {
      const touched = new Set(one.changes.map(({ path }) => sides.get(path)?.side));
      const [side] = touched;
      const message = messageOf(one);
      return touched.size === 1 && side !== undefined && message !== undefined ? [{ one, side, message }] : [];
    });
    let number = 0;
    for await (const texts of readLines(repository, chosen.map(({ one }) => one), signal)) {
      const { one, side, message } = chosen[number]!;
      number += 1;
      const diff = diffOf(one.changes, texts);
      if (diff === undefined) continue;
      examples[side].push({
        kind: 'commit_message', file: sides.get(one.changes[0]!.path)!.file, start: diff.start, end: diff.end, chars: message.length,
        reason: 'what a change of these files was for', commit: one.id,
        write: () => ({ prompt: `Write the commit message of this change:\n\n${diff.text}`, answer: message }),
      });
    }
    return { examples, unread };
  } catch (error) {
    if (!(error instanceof HistoryGap)) throw error;
    return { examples: { train: [], heldout: [] }, unread: 0, gap: error.message };
  }
}

/** The message without trailers, as many paragraphs as fit. */
function messageOf({ message }: Commit): string | undefined {
  const paragraphs = message.replace(/\r/g, '').split('\n').filter((line) => !trailer.test(line)).join('\n').trim().split(/\n\s*\n/);
  let text = '';
  for (const paragraph of paragraphs) {
    const longer = text === '' ? paragraph : `${text}\n\n${paragraph}`;
    if (longer.length > maxMessageChars) break;
    text = longer;
  }
  // U+FFFD stands where the message was not in the encoding that it claims.
  return text.length < minMessageChars || text.includes('\ufffd') ? undefined : text;
}

/** @returns the change as text, and the lines that its first hunk makes of the first file */
function diffOf(changes: readonly Change[], texts: ReadonlyMap<string, readonly string[]>): { text: string; start: number; end: number } | undefined {
  const parts: string[] = [];
  let size = 0;
  let first: Hunk | undefined;
  for (const { path, before, after } of changes) {
    const [a, b] = [before === undefined ? [] : texts.get(before), texts.get(after)];
    const hunks = a === undefined || b === undefined ? undefined : diffLines(a, b);
    if (hunks === undefined || hunks.length === 0) return undefined;
    first ??= hunks[0]!;
    for (const part of [`--- ${path}`, ...hunks.map((hunk) => hunkText(hunk, a!, before === undefined))]) {
      parts.push(part);
      size += part.length + 1;
    }
    if (size > maxDiffChars) return undefined;
  }
  return first === undefined ? undefined : { text: parts.join('\n'), start: first.newStart, end: Math.max(first.newStart + 1, first.newStart + first.added.length) };
}

function hunkText({ oldStart, removed, added }: Hunk, before: readonly string[], isNew: boolean): string {
  const above = before.slice(Math.max(0, oldStart - contextLines), oldStart);
  const below = before.slice(oldStart + removed.length, oldStart + removed.length + contextLines);
  return [isNew ? '@@ new file' : `@@ line ${oldStart + 1}`, ...above.map((line) => ` ${line}`), ...removed.map((line) => `-${line}`), ...added.map((line) => `+${line}`), ...below.map((line) => ` ${line}`)].join('\n');
}
