import { createHash } from 'node:crypto';
import { mkdir, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { GitError } from 'simple-git';
import { ForgeError } from '../../core/errors.ts';
import type { Logger } from '../../core/logger.ts';
import { folderBytes, watchSize } from './folder-size.ts';
import { checkRemoteUrl, redact } from './remote-url.ts';
import { fetchAll, readRemoteHead, remoteGit } from './remote.ts';

export interface MirrorOptions {
  /** Holds a bare repository for each URL; made when it is missing. One process at a time. */
  directory: string;
  /** Of one mirror. */
  maxBytes: number;
  /** For one `ensure`, without the wait for an earlier one. */
  timeoutMs: number;
  logger: Logger;
  /** Between two looks at the size. */
  lookMs?: number;
}

export interface Mirrors {
  /**
   * Brings branches, tags and HEAD of a remote repository here, as they are now. A remote's other refs, such as pull
   * requests, stay there.
   * @returns absolute path of the bare mirror
   * @throws ForgeError invalid_argument (url), too_large, deadline_exceeded, unavailable (says what git said); the
   * signal's reason. A mirror that was there before stays as it was.
   */
  ensure(url: string, signal: AbortSignal): Promise<string>;
  /** Where the mirror is, or would be. */
  path(url: string): string;
  /** Removes it once a running `ensure` has ended; what is not there needs no removing. */
  remove(url: string): Promise<void>;
}

/** A folder with this ending is no mirror yet, or none any more. */
const partial = '.partial';

export function createMirrors({ directory, maxBytes, timeoutMs, logger, lookMs = 200 }: MirrorOptions): Mirrors {
  const running = new Map<string, Promise<unknown>>();
  let swept: Promise<void> | undefined;

  const path = (url: string): string => join(directory, `${createHash('sha256').update(url).digest('hex')}.git`);

  /** One at a time for each mirror. */
  function queued<T>(place: string, work: () => Promise<T>): Promise<T> {
    const mine = (running.get(place) ?? Promise.resolve()).then(work, work);
    const ended = mine.catch(() => undefined).then(() => void (running.get(place) === ended && running.delete(place)));
    running.set(place, ended);
    return mine;
  }

  async function fresh(url: string, place: string, signal: AbortSignal): Promise<string> {
    signal.throwIfAborted();
    // Another try after a failed sweep.
    await (swept ??= sweep(directory).catch((error: unknown) => ((swept = undefined), Promise.reject(error))));
    const known = await stat(place).then(() => true, () => false);
    const folder = known ? place : `${place}${partial}`;
    try {
      await bring(url, folder, known, signal);
      if (!known) {
        await rename(folder, place);
        logger.info('mirrored a repository', { url, bytes: await folderBytes(place) });
      }
      return place;
    } catch (error) {
      if (known) await removeHalfPacks(folder);
      else await rm(folder, { recursive: true, force: true });
      throw error;
    }
  }

  async function bring(url: string, folder: string, known: boolean, signal: AbortSignal): Promise<void> {
    const tooLarge = new AbortController();
    const late = AbortSignal.timeout(timeoutMs);
    await mkdir(folder, { recursive: true });
    const git = remoteGit(folder, AbortSignal.any([signal, late, tooLarge.signal]));
    const watch = watchSize(folder, maxBytes, lookMs, () => tooLarge.abort());
    try {
      const head = await readRemoteHead(git, url);
      if (!known) await git.raw(['init', '--quiet', '--bare', `--object-format=${head?.commit.length === 64 ? 'sha256' : 'sha1'}`]);
      await fetchAll(git, url);
      if (head?.branch !== undefined) await git.raw(['symbolic-ref', 'HEAD', head.branch]);
      else if (head !== undefined) await git.raw(['update-ref', '--no-deref', 'HEAD', head.commit]);
      // It may have grown over the limit since the last look.
      if (!known && (await folderBytes(folder)) > maxBytes) tooLarge.abort();
    } catch (error) {
      signal.throwIfAborted();
      if (!tooLarge.signal.aborted) throw late.aborted ? new ForgeError('deadline_exceeded', `url: ${url} was not fetched within ${timeoutMs} ms; see that its server answers, or raise the limit`, { field: 'url', cause: error }) : explain(url, error);
    } finally {
      watch.stop();
    }
    if (tooLarge.signal.aborted) throw new ForgeError('too_large', `url: ${url} is larger than ${maxBytes} bytes; raise the limit, or use a local clone of what is needed`, { field: 'url' });
  }

  return {
    path: (url) => (checkRemoteUrl(url), path(url)),
    ensure: async (url, signal) => {
      checkRemoteUrl(url);
      return queued(path(url), () => fresh(url, path(url), signal));
    },
    remove: async (url) => {
      checkRemoteUrl(url);
      const place = path(url);
      await queued(place, async () => {
        await rm(`${place}${partial}`, { recursive: true, force: true });
        // Renamed first, so that a crash leaves no half of a mirror.
        await rename(place, `${place}${partial}`).catch((error: NodeJS.ErrnoException) => {
          if (error.code !== 'ENOENT') throw error;
        });
        await rm(`${place}${partial}`, { recursive: true, force: true });
      });
    },
  };
}

/** Removes what a crash left behind: mirrors that were never finished, and packs that were half received. */
async function sweep(directory: string): Promise<void> {
  await mkdir(directory, { recursive: true });
  for (const name of await readdir(directory)) {
    if (name.endsWith(`.git${partial}`)) await rm(join(directory, name), { recursive: true, force: true });
    else if (name.endsWith('.git')) await removeHalfPacks(join(directory, name));
  }
}

/** Git itself would keep them for two weeks. */
async function removeHalfPacks(mirror: string): Promise<void> {
  const packs = join(mirror, 'objects/pack');
  for (const name of await readdir(packs).catch(() => [])) if (name.startsWith('tmp_')) await rm(join(packs, name), { force: true });
}

function explain(url: string, error: unknown): unknown {
  if (!(error instanceof GitError)) return error;
  return new ForgeError('unavailable', `url: git could not fetch ${url}: ${redact(error.message)}. See that "git ls-remote ${url}" works for the user of this service; credentials come from git's own helpers and ssh keys`, { field: 'url', cause: redact(error.message) });
}
