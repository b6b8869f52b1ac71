import type { Definition } from '../parse/parsed-file.ts';
import { createSectionIndex, ownDocumentation } from './documentation.ts';
import type { Example, StudyFile } from './example.ts';
import { stepOn, textOf } from './lines.ts';
import type { NameIndex } from './names.ts';

const minDocChars = 40;
const maxDocChars = 800;
/** Of the definition, what is shown of it. */
const shownChars = 600;

/**
 * Asks what a definition is for; the answer is its own documentation, or the section of a prose file about it.
 * @param names of both sides
 */
export function explanationExamples(files: readonly StudyFile[], names: NameIndex): Example[] {
  const sections = createSectionIndex(files, names);
  return files.flatMap((study) =>
    study.parsed.definitions.flatMap((definition): Example[] => {
      if (definition.kind === 'module' || definition.kind === 'scope') return [];
      const own = ownDocumentation(study, definition, minDocChars, maxDocChars);
      const doc = own ?? sections.find(definition, minDocChars, maxDocChars);
      if (doc === undefined) return [];
      return [{
        kind: 'explanation', file: doc.file, start: doc.start, end: doc.end, chars: doc.text.length,
        reason: own === undefined ? `a section of ${doc.file.path} is about ${definition.qualifiedName}` : `${definition.qualifiedName} is documented`,
        others: [study.file],
        write: () => ({ prompt: `Explain ${definition.qualifiedName} in ${study.file.path}:\n\n${codeOf(study, definition)}`, answer: doc.text }),
      }];
    }),
  );
}

/** The definition's beginning without its documentation. */
function codeOf({ file }: StudyFile, { header, body, doc, end }: Definition): string {
  if (doc === undefined || doc.end <= header) return textOf(file, header, Math.max(header + 1, stepOn(file.lines, header, shownChars, end)));
  const signature = textOf(file, header, doc.start);
  const rest = textOf(file, body, stepOn(file.lines, body, Math.max(0, shownChars - signature.length), end));
  return rest === '' ? signature : `${signature}\n${rest}`;
}
