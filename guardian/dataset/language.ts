import { posix } from 'node:path';

/** How functions look in a language, for the split by lines; undefined: files are only completed. */
export type FunctionStyle = 'python' | 'javascript' | 'go' | 'rust' | 'java' | 'c';

export interface Language {
  name: string;
  kind: 'code' | 'prose' | 'data';
  functions?: FunctionStyle;
}

const languages: readonly (Language & { endings: string })[] = [
  { name: 'javascript', kind: 'code', functions: 'javascript', endings: 'js cjs mjs jsx' },
  { name: 'typescript', kind: 'code', functions: 'javascript', endings: 'ts cts mts tsx' },
  { name: 'python', kind: 'code', functions: 'python', endings: 'py pyi pyw' },
  { name: 'go', kind: 'code', functions: 'go', endings: 'go' },
  { name: 'rust', kind: 'code', functions: 'rust', endings: 'rs' },
  { name: 'java', kind: 'code', functions: 'java', endings: 'java' },
  { name: 'c', kind: 'code', functions: 'c', endings: 'c h' },
  { name: 'c++', kind: 'code', functions: 'c', endings: 'cc cpp cxx hh hpp hxx' },
  { name: 'c#', kind: 'code', functions: 'java', endings: 'cs' },
  { name: 'kotlin', kind: 'code', endings: 'kt kts' },
  { name: 'swift', kind: 'code', endings: 'swift' },
  { name: 'ruby', kind: 'code', endings: 'rb rake gemspec' },
  { name: 'php', kind: 'code', endings: 'php' },
  { name: 'shell', kind: 'code', endings: 'sh bash zsh' },
  { name: 'sql', kind: 'code', endings: 'sql' },
  { name: 'protobuf', kind: 'code', endings: 'proto' },
  { name: 'css', kind: 'code', endings: 'css scss less' },
  { name: 'html', kind: 'code', endings: 'html htm vue svelte' },
  { name: 'markdown', kind: 'prose', endings: 'md markdown mdx' },
  { name: 'text', kind: 'prose', endings: 'txt rst adoc' },
  { name: 'json', kind: 'data', endings: 'json json5 jsonc jsonl' },
  { name: 'yaml', kind: 'data', endings: 'yaml yml' },
  { name: 'toml', kind: 'data', endings: 'toml ini cfg conf properties' },
  { name: 'xml', kind: 'data', endings: 'xml' },
];

const byEnding = new Map(languages.flatMap(({ endings, ...language }) => endings.split(' ').map((ending) => [ending, language] as const)));
const other: Language = { name: 'other', kind: 'code' };

/** The language by the file's ending. Text without a known one (`Makefile`, `.gitignore`) is `other`. */
export function languageOf(path: string): Language {
  return byEnding.get(posix.extname(path).slice(1).toLowerCase()) ?? other;
}
