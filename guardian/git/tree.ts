import { exitCode, spawnGit } from './run.ts';

/** A regular file in a git tree. */
export interface TreeFile {
  path: string;
  /** Object id of its content. */
  object: string;
  size: number;
}

export interface TreeListing {
  files: TreeFile[];
  /** What is in the tree and no readable regular file, by reason. */
  skipped: { symlink: number; submodule: number; bad_path: number };
}

/** Said of an object that a tree names and the repository lacks. */
export const missing = 'is not in the repository; if it is a partial clone, run in it: git fetch --refetch --no-filter';

const maxEntries = 2_000_000;
const maxEntryBytes = 65_536;

/**
 * Lists all files of a commit, in git's order (by bytes of the path), which is the same everywhere.
 * @param commit full object id
 * @throws Error when the commit is not in the repository or its tree is damaged
 */
export async function listTree(repository: string, commit: string, signal: AbortSignal): Promise<TreeListing> {
  const child = spawnGit(repository, ['ls-tree', '-r', '-z', '--full-tree', '--long', '--end-of-options', commit]);
  const stop = (): void => void child.kill('SIGKILL');
  signal.addEventListener('abort', stop, { once: true });
  const ended = exitCode(child);
  ended.catch(() => undefined);
  child.stdin.on('error', () => undefined).end();
  let complaint = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (complaint = (complaint + text).slice(0, 2_000)));
  const listing: TreeListing = { files: [], skipped: { symlink: 0, submodule: 0, bad_path: 0 } };
  try {
    let rest: Buffer = Buffer.alloc(0);
    for await (const chunk of child.stdout as AsyncIterable<Buffer>) {
      rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
      let start = 0;
      for (let end = rest.indexOf(0, start); end >= 0; end = rest.indexOf(0, start)) {
        addEntry(listing, rest.subarray(start, end));
        start = end + 1;
      }
      rest = rest.subarray(start);
      if (rest.length > maxEntryBytes || listing.files.length > maxEntries) throw new Error(`the tree of ${commit} has more than ${maxEntries} files, or a path over ${maxEntryBytes} bytes`);
    }
    if ((await ended) !== 0 || rest.length > 0) {
      signal.throwIfAborted();
      throw new Error(`git can not list the files of commit ${commit}: ${complaint.trim() || 'its output ended early'}`);
    }
    return listing;
  } finally {
    signal.removeEventListener('abort', stop);
    stop();
  }
}

/** One entry: `<mode> <type> <object> <size, padded>\t<path>`. */
function addEntry(listing: TreeListing, entry: Buffer): void {
  const tab = entry.indexOf(9);
  const [mode = '', type, object = '', size] = entry.toString('latin1', 0, tab).split(/ +/);
  const path = entry.toString('utf8', tab + 1);
  if (type === 'commit') listing.skipped.submodule += 1;
  else if (mode === '120000') listing.skipped.symlink += 1;
  // A path that is not UTF-8, or holds control characters, can't be written into an example as it is.
  else if (/[\0-\x1f\x7f\ufffd]/.test(path)) listing.skipped.bad_path += 1;
  // Without it the dataset would depend on what this copy happens to hold.
  else if (!/^\d+$/.test(size ?? '')) throw new Error(`the content of ${path} ${missing}`);
  else listing.files.push({ path, object, size: Number(size) });
}
