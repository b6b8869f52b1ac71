import { glob, readFile } from 'node:fs/promises';
import { dirname, join, normalize } from 'node:path';
import ts from 'typescript';

export interface Import {
  /** A file relative to the root, or what the import names: `node:fs`, `ws`. */
  target: string;
  relative: boolean;
  /** Erased when the program runs. */
  typeOnly: boolean;
}

/** All sources with what they import, by path relative to the root. */
export async function readSourceGraph(root: string): Promise<Map<string, Import[]>> {
  const files = await Array.fromAsync(
    glob('{core,gateway,gpu-agent,guardian,deploy,test}/**/*.{ts,mts,mjs}', { cwd: root, exclude: (path) => /node_modules|\.d\.mts$|^gpu-agent\/trainer|^test\/conformance\/gen/.test(path) }),
  );
  const graph = new Map<string, Import[]>();
  for (const file of files.sort()) graph.set(file, importsOf(file, await readFile(join(root, file), 'utf8')));
  return graph;
}

export function importsOf(file: string, text: string): Import[] {
  const imports: Import[] = [];
  const add = (specifier: string, typeOnly: boolean): void => {
    const relative = specifier.startsWith('.');
    imports.push({ target: relative ? normalize(join(dirname(file), specifier)) : specifier, relative, typeOnly });
  };
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node) && ts.isStringLiteral(node.moduleSpecifier)) add(node.moduleSpecifier.text, node.importClause?.isTypeOnly === true);
    else if (ts.isExportDeclaration(node) && node.moduleSpecifier !== undefined && ts.isStringLiteral(node.moduleSpecifier)) add(node.moduleSpecifier.text, node.isTypeOnly);
    else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword && ts.isStringLiteral(node.arguments[0]!)) add(node.arguments[0].text, false);
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile(file, text, ts.ScriptTarget.ESNext));
  return imports;
}

/** The name of the npm package that an import names. */
export function packageName(specifier: string): string {
  return specifier.split('/').slice(0, specifier.startsWith('@') ? 2 : 1).join('/');
}
