import { invalid } from '../../core/errors.ts';
import type { RetrainPolicy } from '../../core/gen/aiforge/v1/pipeline_pb.ts';
import { readObjects } from '../git/cat-file.ts';
import { readRecords } from '../git/records.ts';
import { maxSettingsBytes, parseSettings, settingsFiles } from '../policy/settings-file.ts';

/**
 * Reads the settings file at a commit: what stands in the working directory is not part of it.
 * @param commit full commit id
 * @returns undefined when the repository has none, or one that sets nothing
 * @throws ForgeError invalid_argument, with file, key and remedy
 */
export async function readSettings(repository: string, commit: string, signal: AbortSignal): Promise<RetrainPolicy | undefined> {
  const found: { name: string; mode: string; object: string; bytes: number }[] = [];
  // Each entry: `<mode> <type> <object> <size, padded>\t<path>`
  for await (const entry of readRecords(repository, ['ls-tree', '-z', '--long', '--full-tree', '--end-of-options', commit, '--', ...settingsFiles], 0, signal)) {
    const [about = '', name = ''] = entry.split('\t');
    const [mode = '', , object = '', size] = about.split(/ +/);
    found.push({ name, mode, object, bytes: Number(size) });
  }
  const [file, other] = found;
  if (file === undefined) return undefined;
  if (other !== undefined) throw invalid(file.name, `stands beside ${other.name}; keep one of them`);
  if (!file.mode.startsWith('100')) throw invalid(file.name, 'must be a regular file, not a link, a folder or a submodule');
  if (!(file.bytes <= maxSettingsBytes)) throw invalid(file.name, `has ${file.bytes} bytes; at most ${maxSettingsBytes} are read`);
  for await (const content of readObjects(repository, [file.object], maxSettingsBytes, signal)) return parseSettings(file.name, content);
  return undefined;
}
