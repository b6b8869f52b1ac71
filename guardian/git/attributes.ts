import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { exitCode, runGit, spawnGit, type GitPlaces } from './run.ts';

/** What .gitattributes say of a file. */
export interface FileAttributes {
  /** linguist-generated */
  generated: boolean;
  /** linguist-vendored */
  vendored: boolean;
  /** `binary`, or its parts `-text -diff`. `-text` alone only keeps line ends as they are. */
  binary: boolean;
}

const asked = ['linguist-generated', 'linguist-vendored', 'binary', 'text', 'diff'];
const answerMs = 30_000;

/**
 * Reads attributes as the .gitattributes of a commit set them, whatever the working directory, the repository's
 * info/attributes and the user's settings say. Git 2.39 knows no `check-attr --source`: the tree is read into an
 * index of a temporary, empty repository that borrows the objects. Nothing is written into the repository.
 * @param commit full object id
 * @param paths all files of the commit: where none is a .gitattributes, git is not asked
 * @returns the files of which something is set; others are absent
 * @throws Error when git can't read the commit; the signal's reason when it aborts
 */
export async function readAttributes(repository: string, commit: string, paths: readonly string[], signal: AbortSignal): Promise<Map<string, FileAttributes>> {
  if (!paths.some((path) => path === '.gitattributes' || path.endsWith('/.gitattributes'))) return new Map();
  const { code, stdout, stderr } = await runGit(repository, ['rev-parse', '--git-path', 'objects'], answerMs);
  if (code !== 0) throw new Error(`git can not find the objects of ${repository}: ${stderr.trim().slice(0, 300)}`);
  signal.throwIfAborted();
  const folder = await mkdtemp(join(tmpdir(), 'forge-attributes-'));
  try {
    const places = await makeBorrower(folder, commit, resolve(repository, stdout.replace(/\n$/, '')));
    await finish(spawnGit(folder, ['read-tree', '--end-of-options', commit], places), '', signal);
    const answers = await finish(spawnGit(folder, ['check-attr', '--cached', '--stdin', '-z', ...asked], places), `${paths.join('\0')}\0`, signal);
    return parse(answers);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The least that git takes for a bare repository. */
async function makeBorrower(folder: string, commit: string, objects: string): Promise<GitPlaces> {
  const format = commit.length === 64 ? '\trepositoryformatversion = 1\n[extensions]\n\tobjectformat = sha256\n' : '\trepositoryformatversion = 0\n';
  await Promise.all([mkdir(join(folder, 'refs')), writeFile(join(folder, 'HEAD'), 'ref: refs/heads/none\n'), writeFile(join(folder, 'config'), `[core]\n\tbare = true\n${format}`)]);
  return { GIT_DIR: folder, GIT_INDEX_FILE: join(folder, 'index'), GIT_OBJECT_DIRECTORY: objects };
}

/** Gives the child its input and takes all of its output. */
async function finish(child: ChildProcessWithoutNullStreams, input: string, signal: AbortSignal): Promise<string> {
  const stop = (): void => void child.kill('SIGKILL');
  signal.addEventListener('abort', stop, { once: true });
  const parts: Buffer[] = [];
  let complaint = '';
  child.stdout.on('data', (part: Buffer) => parts.push(part));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (complaint = (complaint + text).slice(0, 2_000)));
  child.stdin.on('error', () => undefined).end(input);
  try {
    if (signal.aborted) stop();
    const code = await exitCode(child);
    signal.throwIfAborted();
    if (code !== 0) throw new Error(`git can not read attributes: ${complaint.trim()}`);
    return Buffer.concat(parts).toString('utf8');
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

/** Answers are `path NUL attribute NUL value NUL`, all attributes of a path in the order asked. */
function parse(answers: string): Map<string, FileAttributes> {
  const fields = answers.split('\0');
  const attributes = new Map<string, FileAttributes>();
  for (let at = 0; at + 3 * asked.length <= fields.length; at += 3 * asked.length) {
    const [generated, vendored, binary, text, diff] = asked.map((_, index) => fields[at + 3 * index + 2]!);
    const found = { generated: isSet(generated!), vendored: isSet(vendored!), binary: isSet(binary!) || (text === 'unset' && diff === 'unset') };
    if (found.generated || found.vendored || found.binary) attributes.set(fields[at]!, found);
  }
  return attributes;
}

function isSet(value: string): boolean {
  return value === 'set' || value.toLowerCase() === 'true';
}
