// The tables of docs/openai-parameters.md. Run by itself, it writes them there.
import { readFile, writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { unsupported } from '../../gateway/openai/unsupported.ts';

export const parametersFile = resolve(import.meta.dirname, '../../docs/openai-parameters.md');
const section = /(<!-- tables -->\n)[^]*(<!-- end of tables -->)/;

/** The page with its tables as they should be. */
export function withTables(page: string): string {
  return page.replace(section, (_all, begin: string, end: string) => `${begin}${tables()}${end}`);
}

function tables(): string {
  const titles = { ollama: 'Ollama', embedded: 'The embedded engine', upstream: 'An upstream server' } as const;
  return (Object.keys(titles) as (keyof typeof titles)[]).map((kind) => `## ${titles[kind]} refuses\n${table(kind)}\n`).join('\n');
}

function table(kind: keyof typeof unsupported): string {
  const rows = unsupported[kind];
  if (rows.length === 0) return 'Nothing.\n';
  const lines = rows.map(({ endpoint, parameter, refused, remedy }) => `| \`${endpoint}\` | \`${parameter}\` | ${refused.words} | ${remedy} |`);
  return ['| endpoint | parameter | refused | instead |', '|---|---|---|---|', ...lines, ''].join('\n');
}

if (process.argv[1] === import.meta.filename) await writeFile(parametersFile, withTables(await readFile(parametersFile, 'utf8')));
