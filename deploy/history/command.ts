import { parseArgs } from 'node:util';
import { resolve } from 'node:path';
import { dataPaths, loadConfig, type Config } from '../../core/config.ts';

export interface HistoryArguments {
  config: Config;
  /** The file that a command is about; undefined for verify. */
  file: string | undefined;
  /** Where what the history was is kept. */
  heads: string;
  /** Folder of the copies of blobs; undefined where none was named. */
  blobs: string | undefined;
  dryRun: boolean;
}

const options = { heads: { type: 'string' }, blobs: { type: 'string' }, 'dry-run': { type: 'boolean' } } as const;
export type HistoryOption = keyof typeof options;

export interface HistoryCommand {
  takesFile: boolean;
  /** Which options it knows. */
  knows: readonly HistoryOption[];
}

class UsageError extends Error {}

function readArguments(usage: string, { takesFile, knows }: HistoryCommand): HistoryArguments {
  let parsed;
  try {
    parsed = parseArgs({ args: process.argv.slice(2), options, allowPositionals: true, strict: true });
    for (const name of Object.keys(parsed.values)) if (!knows.includes(name as HistoryOption)) throw new Error(`Unknown option '--${name}'`);
  } catch (error) {
    throw new UsageError(`${(error as Error).message}\nusage: ${usage}`);
  }
  if (parsed.positionals.length !== (takesFile ? 1 : 0)) throw new UsageError(`usage: ${usage}`);
  const config = loadConfig(process.env);
  const [file] = parsed.positionals;
  const { heads, blobs, 'dry-run': dryRun = false } = parsed.values;
  return { config, file: file === undefined ? undefined : resolve(file), heads: resolve(heads ?? dataPaths(config.dataDir).heads), blobs: blobs === undefined ? undefined : resolve(blobs), dryRun };
}

/** Runs a command on the history. Its status: 0 all is well, 1 the history is not as it should be, 2 it could not be done. */
export async function runHistoryCommand(usage: string, command: HistoryCommand, run: (given: HistoryArguments) => Promise<boolean>): Promise<void> {
  try {
    process.exitCode = (await run(readArguments(usage, command))) ? 0 : 1;
  } catch (error) {
    console.error((error as Error).message);
    process.exitCode = 2;
  }
}
