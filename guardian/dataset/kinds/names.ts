import type { Definition } from '../parse/parsed-file.ts';
import type { StudyFile } from './example.ts';

/** How often names are defined, so that nothing is asked that has several answers. */
export interface NameIndex {
  /** Whether the definition is the only one that its name, as it is asked for, may mean in the repository. */
  isOnly(definition: Definition): boolean;
  /** The same within its file. */
  isOnlyIn(study: StudyFile, definition: Definition): boolean;
  /** The definition of this name, qualified or bare, where there is just one. */
  find(name: string): Definition | undefined;
}

/** @param files of both sides: a name that is defined once on each is not certain on either */
export function createNameIndex(files: readonly StudyFile[]): NameIndex {
  const everywhere = new Map<string, Definition[]>();
  const byFile = new Map<StudyFile, Map<string, number>>();
  for (const study of files) {
    const own = new Map<string, number>();
    byFile.set(study, own);
    for (const definition of study.parsed.definitions) {
      if (definition.kind === 'scope') continue;
      const { name, qualifiedName } = definition;
      own.set(qualifiedName, (own.get(qualifiedName) ?? 0) + 1);
      for (const one of new Set([name, qualifiedName])) {
        const there = everywhere.get(one);
        if (there === undefined) everywhere.set(one, [definition]);
        else there.push(definition);
      }
    }
  }
  return {
    isOnly: ({ qualifiedName }) => everywhere.get(qualifiedName)?.length === 1,
    isOnlyIn: (study, { qualifiedName }) => byFile.get(study)?.get(qualifiedName) === 1,
    find: (name) => (everywhere.get(name)?.length === 1 ? everywhere.get(name)![0] : undefined),
  };
}
