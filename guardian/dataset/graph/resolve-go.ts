import { posix } from 'node:path';
import type { ImportClause } from '../parse/parsed-file.ts';
import type { Paths } from './resolve.ts';

/** Import paths under a module that a go.mod of the repository names; a package is all files of its folder. */
export function createGoResolver(files: Paths): (clause: ImportClause) => string[] {
  const folders = new Map<string, string[]>();
  const modules: { name: string; folder: string }[] = [];
  for (const [path, { file }] of files) {
    const folder = posix.dirname(path);
    if (path.endsWith('.go') && !path.endsWith('_test.go')) folders.set(folder, [...(folders.get(folder) ?? []), path]);
    const name = posix.basename(path) === 'go.mod' ? /^module\s+(\S+)/m.exec(file.text)?.[1] : undefined;
    if (name !== undefined) modules.push({ name, folder });
  }
  // The longest name first: modules may lie in each other.
  modules.sort((a, b) => b.name.length - a.name.length);
  return ({ specifier }) => {
    const module = modules.find(({ name }) => specifier === name || specifier.startsWith(`${name}/`));
    return module === undefined ? [] : (folders.get(posix.join(module.folder, specifier.slice(module.name.length))) ?? []);
  };
}
