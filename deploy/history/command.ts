import { parseArgs } from 'node:util';
import { resolve } from 'node:path';
import { dataPaths, loadConfig, type Config } from '../../core/config.ts';

export interface HistoryArguments {
  config: Config;
  /** The file that a command is about; undefined for verify. */
  file: string | undefined;
  /** Where what the history was is kept. */
  heads: string;
}

class UsageError extends Error {}

function readArguments(usage: string, takesFile: boolean): HistoryArguments {
  let parsed;
  try {
    parsed = parseArgs({ args: process.argv.slice(2), options: { heads: { type: 'string' } }, allowPositionals: true, strict: true });
  } catch (error) {
    throw new UsageError(`${(error as Error).message}\nusage: ${usage}`);
  }
  if (parsed.positionals.length !== (takesFile ? 1 : 0)) throw new UsageError(`usage: ${usage}`);
  const config = loadConfig(process.env);
  const [file] = parsed.positionals;
  return { config, file: file === undefined ? undefined : resolve(file), heads: resolve(parsed.values.heads ?? dataPaths(config.dataDir).heads) };
}

/** Runs a command on the history. Its status: 0 all is well, 1 the history is not as it should be, 2 it could not be done. */
export async function runHistoryCommand(usage: string, { takesFile }: { takesFile: boolean }, run: (given: HistoryArguments) => Promise<boolean>): Promise<void> {
  try {
    process.exitCode = (await run(readArguments(usage, takesFile))) ? 0 : 1;
  } catch (error) {
    console.error((error as Error).message);
    process.exitCode = 2;
  }
}
