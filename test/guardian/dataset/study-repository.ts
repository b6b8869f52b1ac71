import type { Files } from '../../support/repository.ts';

const words = 'river lamp stone cloud tiger paper wheel honey anchor violin copper meadow signal harbor pepper candle marble falcon garden ribbon'.split(' ');

/** A word that depends on its numbers, never the same in two modules. */
function word(module: number, at: number): string {
  return `${words[(module * 7 + at * 3) % words.length]}${module}x${at}`;
}

function jsModule(module: number, uses: number): string {
  const other = String(uses).padStart(2, '0');
  const lines = [`import { ${word(uses, 0)} } from './m${other}.js';`, `import { readFile } from 'node:fs/promises';`, ''];
  for (const at of [0, 1, 2]) {
    lines.push(`/** Turns ${word(module, at + 4)} into ${word(module, at + 5)}, as the ${word(module, 9)} asks for it. */`, `export function ${word(module, at)}(input, limit = ${module * 11 + at}) {`);
    for (let step = 0; step < 7; step += 1) lines.push(`  const ${word(module, 20 + step)} = input.${word(module, 30 + step + at)} * ${module * 31 + step * (at + 1)} + limit;`);
    lines.push(`  if (${word(module, 20)} > ${module}) throw new RangeError('${word(module, 40 + at)} is over ${module * (at + 3)}');`, `  return ${at === 0 ? word(module, 21) : `${word(uses, 0)}(${word(module, 22)}, ${module})`};`, '}', '');
  }
  return lines.join('\n');
}

function pythonModule(module: number, uses: number): string {
  const lines = [`"""Keeps ${word(module, 50)} and ${word(module, 51)} together."""`, `from .p${String(uses).padStart(2, '0')} import ${word(uses, 60)}`, 'import os', '', ''];
  lines.push(`class ${word(module, 61)[0]!.toUpperCase()}${word(module, 61).slice(1)}:`, `    """A ${word(module, 62)} with its ${word(module, 63)}, counted by weight."""`, '');
  for (const at of [0, 1]) {
    lines.push(`    def ${word(module, 64 + at)}(self, given):`, `        """Weighs the ${word(module, 66 + at)} that is ${word(module, 68 + at)}, and says so."""`);
    for (let step = 0; step < 5; step += 1) lines.push(`        ${word(module, 70 + step)} = given + ${module * 17 + step * (at + 1)}`);
    lines.push(`        self.${word(module, 65)}(${word(module, 71)})`, `        return ${word(module, 72)} - ${module}`, '');
  }
  lines.push('', `def ${word(module, 60)}(amount):`, `    total = ${word(uses, 60)}(amount) * ${module}`, `    for ${word(module, 80)} in range(${module + 3}):`, `        total += ${word(module, 80)} * ${module * 3}`, '    return total');
  return lines.join('\n');
}

function prose(module: number): string {
  const sentence = (at: number): string => `The ${word(module, at)} keeps its ${word(module, at + 1)} near the ${word(module, at + 2)}, and ${word(module, at + 3)} is never far.`;
  return `# Notes on ${word(module, 90)}\n\n${sentence(91)}\n${sentence(95)}\n\n## \`${word(module, 60)}\`\n\n${sentence(100)}\n${sentence(104)}\n`;
}

/** Some files in JavaScript and Python that import and call each other, and prose about them. */
export function studyFiles(count = 24): Record<string, string> {
  const files: Record<string, string> = {};
  for (let module = 0; module < count; module += 1) {
    const name = String(module).padStart(2, '0');
    files[`src/m${name}.js`] = jsModule(module, (module * 5 + 1) % count);
    files[`py/p${name}.py`] = pythonModule(module, (module * 3 + 2) % count);
    if (module % 4 === 0) files[`docs/n${name}.md`] = prose(module);
  }
  return files;
}

/** A few successive changes, each with a message that says what it does. */
export function studyChanges(files: Files): { files: Files; message: string }[] {
  const scripts = Object.keys(files).filter((path) => path.endsWith('.js'));
  const changed = (path: string): string => String(files[path]).replace(/throw new RangeError\('(\w+) is over/, (_, name: string) => `throw new RangeError('${name} has gone over`);
  const ones = scripts.slice(0, 8).map((path, index) => ({
    files: { [path]: changed(path) },
    message: `Say of ${path} that it has gone over, number ${index}\n\nThe old words were not clear.\n\nSigned-off-by: Test <test@example.org>`,
  }));
  // Two files each, so that some change both sides.
  const twos = [8, 9, 10, 11, 12].map((at) => ({ files: Object.fromEntries(scripts.slice(at, at + 2).map((path) => [path, `${changed(path)}// Now ${at}.\n`])), message: `Say of two files that they have gone over, from number ${at}` }));
  return [...ones, ...twos];
}
