import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';

/** Where huggingface_hub keeps models: HF_HUB_CACHE, else HF_HOME/hub, else ~/.cache/huggingface/hub. */
export function hubCacheFolder(env: NodeJS.ProcessEnv): string {
  return env['HF_HUB_CACHE'] || (env['HF_HOME'] ? join(env['HF_HOME'], 'hub') : join(env['XDG_CACHE_HOME'] || join(env['HOME'] ?? homedir(), '.cache'), 'huggingface/hub'));
}

/**
 * Folder of a model's files in the cache: `models--owner--name/refs/<revision>` names the commit whose files are under
 * `snapshots/`.
 * @param revision a branch, tag or commit of a checked form
 * @returns undefined where the cache does not know that revision
 */
export async function hubSnapshotFolder(cache: string, name: string, revision: string): Promise<string | undefined> {
  const folder = join(cache, `models--${name.replace('/', '--')}`);
  const named = await readFile(join(folder, 'refs', revision), 'utf8').catch(() => undefined);
  const commit = named?.trim() ?? revision;
  return /^[0-9a-f]{40}$/.test(commit) ? join(folder, 'snapshots', commit) : undefined;
}
