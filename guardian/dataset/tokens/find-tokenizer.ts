import { readFile } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import { hubCacheFolder, hubSnapshotFolder } from '../../../core/model-files/hub-cache.ts';
import type { TokenizerFiles } from './counter.ts';
import { fetchTokenizer } from './hub.ts';
import { fromSentencePiece } from './sentencepiece.ts';

export interface FoundTokenizer extends TokenizerFiles {
  /** The base model, with its revision where one was asked for. */
  name: string;
}

export interface FindOptions {
  /** The folder of the built-in starter model; undefined while there is none. */
  starter?: () => Promise<string | undefined>;
  /** Default: HF_ENDPOINT, else https://huggingface.co */
  hubEndpoint?: string;
  /** Default: HF_HUB_CACHE, else HF_HOME/hub, else ~/.cache/huggingface/hub */
  cacheDir?: string;
  env?: NodeJS.ProcessEnv;
  signal: AbortSignal;
}

const starterName = 'ai-forge/starter';
const hubId = /^[A-Za-z0-9][\w.-]{0,95}\/[\w.-]{1,96}$/;
const revisionForm = /^[\w-][\w./-]{0,99}$/;

/**
 * Looks for a base model's tokenizer: in a local directory, the built-in starter, the Hugging Face cache, the hub.
 * @param baseModel `revision` may be empty: the main branch
 * @returns the tokenizer, or why there is none; another model's is never taken instead
 * @throws the signal's reason when it aborts
 */
export async function findTokenizer(baseModel: { name: string; revision: string }, options: FindOptions): Promise<FoundTokenizer | { missing: string }> {
  const { name, revision } = baseModel;
  const { env = process.env, signal } = options;
  if (isAbsolute(name)) return named(name, await readFolder(name));
  if (name === starterName) {
    const folder = await options.starter?.();
    signal.throwIfAborted();
    return folder === undefined ? { missing: `${name} has not been made yet` } : named(name, await readFolder(folder));
  }
  if (!hubId.test(name)) return { missing: `${name} is neither an absolute path nor a hub id (owner/name)` };
  if (revision !== '' && (!revisionForm.test(revision) || revision.includes('..'))) return { missing: `${revision} is no revision of ${name}` };
  const label = revision === '' ? name : `${name}@${revision}`;
  const cached = await readCache(options.cacheDir ?? hubCacheFolder(env), name, revision || 'main');
  signal.throwIfAborted();
  if (!('missing' in cached)) return named(label, cached);
  if (isOn(env['HF_HUB_OFFLINE'])) return { missing: `${label} is not in the Hugging Face cache, and HF_HUB_OFFLINE is set` };
  const endpoint = options.hubEndpoint ?? (env['HF_ENDPOINT'] || 'https://huggingface.co');
  return named(label, await fetchTokenizer(endpoint, name, revision || 'main', env['HF_TOKEN'], signal));
}

function named(name: string, found: TokenizerFiles | { missing: string }): FoundTokenizer | { missing: string } {
  return 'missing' in found ? found : { name, ...found };
}

/** `tokenizer.json` as it is, or the starter's `tokenizer.model` turned into it. */
async function readFolder(folder: string): Promise<TokenizerFiles | { missing: string }> {
  try {
    const [json, model, config] = await Promise.all([readIfThere(join(folder, 'tokenizer.json')), readIfThere(join(folder, 'tokenizer.model')), readIfThere(join(folder, 'tokenizer_config.json'))]);
    const tokenizerConfig = config === undefined ? {} : (JSON.parse(config.toString('utf8')) as Record<string, unknown>);
    if (json !== undefined) return { tokenizerJson: JSON.parse(json.toString('utf8')), tokenizerConfig };
    const made = model === undefined ? undefined : fromSentencePiece(model, tokenizerConfig);
    return made ?? { missing: model === undefined ? `${folder} holds no tokenizer.json` : `${folder} holds no tokenizer.json, and its tokenizer.model is of a kind that is not read here` };
  } catch (error) {
    return { missing: `the tokenizer in ${folder} can not be read: ${(error as Error).message}` };
  }
}

async function readCache(cache: string, name: string, revision: string): Promise<TokenizerFiles | { missing: string }> {
  const folder = await hubSnapshotFolder(cache, name, revision);
  return folder === undefined ? { missing: 'not in the cache' } : readFolder(folder);
}

async function readIfThere(path: string): Promise<Buffer | undefined> {
  try {
    return await readFile(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT' || (error as NodeJS.ErrnoException).code === 'ENOTDIR') return undefined;
    throw error;
  }
}

/** As huggingface_hub reads its settings. */
function isOn(value: string | undefined): boolean {
  return ['1', 'on', 'yes', 'true'].includes((value ?? '').toLowerCase());
}
