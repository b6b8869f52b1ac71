import { readFile } from 'node:fs/promises';

export interface Snippet {
  /** The heading that it stands under. */
  heading: string;
  language: string;
  code: string;
}

/** The fenced code of a Markdown file, in its order. */
export async function snippetsOf(file: string): Promise<Snippet[]> {
  const snippets: Snippet[] = [];
  let heading = '';
  let open: { language: string; lines: string[] } | undefined;
  for (const line of (await readFile(file, 'utf8')).split('\n')) {
    const fence = /^```(\w*)$/.exec(line);
    if (fence !== null && open === undefined) open = { language: fence[1]!, lines: [] };
    else if (fence !== null) {
      snippets.push({ heading, language: open!.language, code: `${open!.lines.join('\n')}\n` });
      open = undefined;
    } else if (open !== undefined) open.lines.push(line);
    else if (line.startsWith('## ')) heading = line.slice(3);
  }
  return snippets;
}
