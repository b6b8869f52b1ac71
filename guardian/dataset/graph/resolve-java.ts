import type { ImportClause } from '../parse/parsed-file.ts';
import type { Paths } from './resolve.ts';

/** `import a.b.C;` to the file that says `package a.b;` and is named C.java, wherever its source root is. */
export function createJavaResolver(files: Paths): (clause: ImportClause) => string[] {
  const classes = new Map<string, string>();
  for (const [path, { file }] of files) {
    if (!path.endsWith('.java')) continue;
    const name = /^\s*package\s+([\w.]+)\s*;/m.exec(file.text)?.[1];
    if (name !== undefined) classes.set(`${name}.${path.slice(path.lastIndexOf('/') + 1, -'.java'.length)}`, path);
  }
  return ({ specifier }) => {
    // A static import names a member after the class.
    const found = classes.get(specifier) ?? classes.get(specifier.slice(0, Math.max(0, specifier.lastIndexOf('.'))));
    return found === undefined ? [] : [found];
  };
}
