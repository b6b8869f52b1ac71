import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

export function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** The program of that name in the first of these folders, or on PATH, that has it. */
export function findProgram(name: string, first: readonly string[] = []): string | undefined {
  return [...first, ...(process.env['PATH'] ?? '').split(delimiter)].map((folder) => join(folder, name)).find(isExecutable);
}
