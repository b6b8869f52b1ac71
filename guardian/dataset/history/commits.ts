import { exitCode, spawnGit } from '../../git/run.ts';

/** A file that a commit changed, by the ids of its contents before and after. */
export interface Change {
  path: string;
  before: string;
  after: string;
}

export interface Commit {
  id: string;
  message: string;
  changes: Change[];
}

const maxOutputBytes = 64 << 20;

/**
 * The newest commits that a commit has behind it, without merges and first ones. A shallow repository has fewer.
 * Only commits that change contents of regular files in their place, at most `maxChanges`, are given.
 */
export async function readCommits(repository: string, commit: string, maxCommits: number, maxChanges: number, signal: AbortSignal): Promise<Commit[]> {
  if (maxCommits === 0) return [];
  const listed = await output(repository, ['rev-list', '--no-merges', `--max-count=${maxCommits}`, '--encoding=UTF-8', '--format=%x00%H%x00%B%x00', '--end-of-options', commit], '', signal);
  const messages = new Map<string, string>();
  // `commit <id>\n`, then NUL, id, NUL, message, NUL and the line's end.
  const fields = listed.split('\0');
  for (let at = 1; at + 1 < fields.length; at += 3) messages.set(fields[at]!, fields[at + 1]!);
  const ids = [...messages.keys()];
  if (ids.length === 0) return [];
  const raw = await output(repository, ['diff-tree', '--stdin', '-r', '-z', '--raw', '--no-renames', '--no-ext-diff', '--no-textconv', '--ignore-submodules=all', '--no-abbrev'], `${ids.join('\n')}\n`, signal);
  return commitsOf(raw, messages).filter(({ changes }) => changes.length > 0 && changes.length <= maxChanges);
}

/** Entries: `<id>\n` or `<id>` alone, then `:<mode> <mode> <object> <object> <status>` and a path each. */
function commitsOf(raw: string, messages: ReadonlyMap<string, string>): Commit[] {
  const commits: Commit[] = [];
  const broken = new Set<Commit>();
  const fields = raw.split('\0');
  for (let at = 0; at < fields.length; at += 1) {
    const field = fields[at]!.trimStart();
    if (!field.startsWith(':')) {
      if (messages.has(field)) commits.push({ id: field, message: messages.get(field)!, changes: [] });
      continue;
    }
    const [before, after, from = '', to = '', status] = field.slice(1).split(' ');
    const path = fields[(at += 1)] ?? '';
    const last = commits.at(-1);
    if (last === undefined) continue;
    if (status === 'M' && before!.startsWith('100') && after!.startsWith('100') && from !== to) last.changes.push({ path, before: from, after: to });
    // What is added, removed or no regular file can't be shown in a few lines.
    else broken.add(last);
  }
  return commits.filter((one) => !broken.has(one));
}

/** @throws Error when git fails or says more than `maxOutputBytes` */
export async function output(repository: string, args: readonly string[], input: string, signal: AbortSignal): Promise<string> {
  const child = spawnGit(repository, args);
  const stop = (): void => void child.kill('SIGKILL');
  signal.addEventListener('abort', stop, { once: true });
  const ended = exitCode(child);
  ended.catch(() => undefined);
  let complaint = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (complaint = (complaint + text).slice(0, 2_000)));
  child.stdin.on('error', () => undefined).end(input);
  try {
    const parts: Buffer[] = [];
    let size = 0;
    for await (const part of child.stdout as AsyncIterable<Buffer>) {
      size += part.length;
      if (size > maxOutputBytes) throw new Error(`git ${args[0]} gave more than ${maxOutputBytes} bytes`);
      parts.push(part);
    }
    const code = await ended;
    signal.throwIfAborted();
    if (code !== 0) throw new Error(`git ${args[0]} failed: ${complaint.trim() || 'it said nothing'}`);
    return Buffer.concat(parts).toString('utf8');
  } finally {
    signal.removeEventListener('abort', stop);
    stop();
  }
}
