import type { StudyFile } from '../kinds/example.ts';
import type { ImportClause } from '../parse/parsed-file.ts';
import { createCResolver } from './resolve-c.ts';
import { createGoResolver } from './resolve-go.ts';
import { createJavaResolver } from './resolve-java.ts';
import { resolveJavascript } from './resolve-javascript.ts';
import { resolvePython } from './resolve-python.ts';
import { resolveRust } from './resolve-rust.ts';

/** Which paths there are; lookups only. */
export type Paths = ReadonlyMap<string, StudyFile>;

/**
 * Resolves imports to the repository's own files.
 * @returns for a clause, the paths that it may mean; empty when it is of something outside, or not to be told
 */
export function createResolver(files: Paths): (from: StudyFile, clause: ImportClause) => string[] {
  const go = createGoResolver(files);
  const java = createJavaResolver(files);
  const c = createCResolver(files);
  return ({ file: { path, language } }, clause) => {
    switch (language.name) {
      case 'python': return resolvePython(files, path, clause);
      case 'javascript': case 'typescript': return resolveJavascript(files, path, clause);
      case 'go': return go(clause);
      case 'rust': return resolveRust(files, path, clause);
      case 'java': return java(clause);
      case 'c': case 'c++': return c(path, clause);
      default: return [];
    }
  };
}
