import { copyFile, link, mkdir, readFile, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { randomUUID } from 'node:crypto';
import { ForgeError } from '../../../core/errors.ts';
import type { BackendModel, ExportedModel } from '../backend.ts';
import type { ExportRecord } from '../export-record.ts';
import { readExportRecord } from '../export-record.ts';

/** `model.json` beside a model's `model.gguf`. */
export interface StoredModel {
  name: string;
  ggufDigest: string;
  createdAt: string;
  record: Pick<ExportRecord, 'bos_token' | 'eos_token' | 'stop_tokens' | 'renderings' | 'chat_template'>;
}

const hidden = '.';

/** Where a model lies. Names may hold `:` and `/`; a folder's name may not, nor may it climb out. */
export function modelDir(modelsDir: string, name: string): string {
  return join(modelsDir, encodeURIComponent(name).replace(/^\./, '%2E'));
}

export function ggufPath(modelsDir: string, name: string): string {
  return join(modelDir(modelsDir, name), 'model.gguf');
}

/** @returns undefined when it is not there */
export async function readStored(modelsDir: string, name: string): Promise<StoredModel | undefined> {
  try {
    return JSON.parse(await readFile(join(modelDir(modelsDir, name), 'model.json'), 'utf8')) as StoredModel;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Puts an export in as a hard link, or as a copy on another file system. Complete or not there at all. */
export async function placeModel(modelsDir: string, name: string, exported: ExportedModel): Promise<void> {
  if ((await readStored(modelsDir, name))?.ggufDigest === exported.ggufDigest) return;
  const { bos_token, eos_token, stop_tokens, renderings, chat_template } = await readExportRecord(exported.dir);
  const stored: StoredModel = { name, ggufDigest: exported.ggufDigest, createdAt: new Date().toISOString(), record: { bos_token, eos_token, stop_tokens, renderings, chat_template } };
  const fresh = join(modelsDir, `${hidden}${randomUUID()}`);
  await mkdir(fresh, { recursive: true });
  try {
    const source = join(exported.dir, 'model.gguf');
    const target = join(fresh, 'model.gguf');
    await link(source, target).catch(() => copyFile(source, target));
    await writeFile(join(fresh, 'model.json'), JSON.stringify(stored), { flush: true });
    await removeStored(modelsDir, name);
    await rename(fresh, modelDir(modelsDir, name));
  } catch (error) {
    await rm(fresh, { recursive: true, force: true });
    throw new ForgeError('internal', `The model "${name}" could not be put into ${modelsDir}`, { cause: error });
  }
}

/** First out of sight, then away: a reader sees all of it or nothing. */
export async function removeStored(modelsDir: string, name: string): Promise<void> {
  const grave = join(modelsDir, `${hidden}${randomUUID()}`);
  try {
    await rename(modelDir(modelsDir, name), grave);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw error;
  }
  await rm(grave, { recursive: true, force: true });
}

export async function listStored(modelsDir: string): Promise<BackendModel[]> {
  const entries = await readdir(modelsDir).catch(() => [] as string[]);
  const models = await Promise.all(
    entries.filter((entry) => !entry.startsWith(hidden)).map(async (entry) => {
      const name = decodeURIComponent(entry);
      const stored = await readStored(modelsDir, name);
      if (stored === undefined) return undefined;
      const { size } = await stat(ggufPath(modelsDir, name));
      return { name, size, modifiedAt: new Date(stored.createdAt), digest: stored.ggufDigest };
    }),
  );
  return models.filter((model) => model !== undefined);
}
