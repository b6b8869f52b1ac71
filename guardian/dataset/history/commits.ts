import { isShallow } from '../../git/history.ts';
import { HistoryGap, readParts, type Budget } from './read-output.ts';

/** A file that a commit changed or added, by the ids of its contents before and after. */
export interface Change {
  path: string;
  /** Undefined where the commit added the file. */
  before: string | undefined;
  after: string;
}

export interface Commit {
  id: string;
  message: string;
  changes: Change[];
}

export interface History {
  commits: Commit[];
  /** Commits that were not looked at, since those before them say too much. */
  unread: number;
}

/** Characters of messages, and of lists of changed files, that are read at most. */
const maxChars = 64 << 20;
const shallowTimeoutMs = 30_000;

/**
 * The newest commits that a commit has behind it, without merges and first ones. Only those that change or add regular
 * files, at most `maxChanges`, are given: what is removed can't be shown in a few lines.
 * @param maxRead characters of messages, and of lists of changed files, after which the rest is left out
 * @throws HistoryGap when the repository is shallow, or git can't read what the commits need
 */
export async function readCommits(repository: string, commit: string, maxCommits: number, maxChanges: number, signal: AbortSignal, maxRead = maxChars): Promise<History> {
  if (maxCommits === 0) return { commits: [], unread: 0 };
  if (await isShallow(repository, shallowTimeoutMs)) throw new HistoryGap('the repository is a shallow clone');
  const select = ['--no-merges', `--max-count=${maxCommits}`];
  const messagesLeft = { left: maxRead, isSpent: false };
  const messages = await readMessages(repository, [...select, '--end-of-options', commit], messagesLeft, signal);
  const changesLeft = { left: maxRead, isSpent: false };
  const listed = await readChanges(repository, messages, maxChanges, changesLeft, signal);
  // The one that the budget ended in is not whole.
  const last = changesLeft.isSpent ? listed.pop() : undefined;
  const read = last === undefined ? messages.size : [...messages.keys()].indexOf(last.id);
  const all = messagesLeft.isSpent ? await count(repository, [...select, '--end-of-options', commit], signal) : messages.size;
  return { commits: listed.filter(({ changes }) => changes.length > 0 && changes.length <= maxChanges), unread: all - read };
}

async function count(repository: string, which: readonly string[], signal: AbortSignal): Promise<number> {
  for await (const line of readParts(repository, ['rev-list', '--count', ...which], '\n', '', { left: 100, isSpent: false }, signal)) return Number(line);
  return 0;
}

/** @returns messages by the ids of their commits, in order */
async function readMessages(repository: string, which: readonly string[], budget: Budget, signal: AbortSignal): Promise<Map<string, string>> {
  const messages = new Map<string, string>();
  // `commit <id>\n`, then NUL, id, NUL, message, NUL and the line's end.
  let at = 0;
  let id = '';
  for await (const field of readParts(repository, ['rev-list', '--encoding=UTF-8', '--format=%x00%H%x00%B%x00', ...which], '\0', '', budget, signal)) {
    if (at % 3 === 1) id = field;
    if (at % 3 === 2) messages.set(id, field);
    at += 1;
  }
  return messages;
}

/** Entries: `<id>\n` or `<id>` alone, then `:<mode> <mode> <object> <object> <status>` and a path each. */
async function readChanges(repository: string, messages: ReadonlyMap<string, string>, maxChanges: number, budget: Budget, signal: AbortSignal): Promise<Commit[]> {
  const commits: Commit[] = [];
  const args = ['diff-tree', '--stdin', '-r', '-z', '--raw', '--no-renames', '--no-ext-diff', '--no-textconv', '--ignore-submodules=all', '--no-abbrev'];
  let entry: string[] | undefined;
  let isBroken = false;
  for await (const field of readParts(repository, args, '\0', `${[...messages.keys()].join('\n')}\n`, budget, signal)) {
    const last = commits.at(-1);
    if (entry !== undefined) {
      const change = changeOf(entry, field);
      // What is removed or no regular file can't be shown; more changes than asked for need not be known.
      isBroken ||= change === undefined || last!.changes.length > maxChanges;
      if (isBroken) last!.changes = [];
      else last!.changes.push(change!);
      entry = undefined;
      continue;
    }
    const text = field.trimStart();
    if (text.startsWith(':') && last !== undefined) entry = text.slice(1).split(' ');
    else if (messages.has(text)) {
      commits.push({ id: text, message: messages.get(text)!, changes: [] });
      isBroken = false;
    }
  }
  return commits;
}

function changeOf([modeBefore, mode, before = '', after = '', status]: readonly string[], path: string): Change | undefined {
  if (!mode?.startsWith('100')) return undefined;
  if (status === 'A') return { path, before: undefined, after };
  return status === 'M' && modeBefore!.startsWith('100') && before !== after ? { path, before, after } : undefined;
}
