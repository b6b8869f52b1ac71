/** A part of a prose file under one heading. Lines count from 0; `end` is the line after the last. */
export interface Section {
  /** The heading's words, without its marks. */
  heading: string;
  start: number;
  end: number;
}

const hashHeading = /^#{1,6}\s+(.*?)\s*#*$/;
const underline = /^(?:={3,}|-{3,}|~{3,})\s*$/;
const fence = /^\s*(?:```|~~~)/;

/** The sections of Markdown or reStructuredText, each up to the next heading of any depth. */
export function sectionsOf(lines: readonly string[]): Section[] {
  const sections: Section[] = [];
  let inFence = false;
  const open = (heading: string, start: number): void => {
    const last = sections.at(-1);
    if (last !== undefined) last.end = start;
    sections.push({ heading, start, end: lines.length });
  };
  for (let line = 0; line < lines.length; line += 1) {
    const text = lines[line]!;
    if (fence.test(text)) inFence = !inFence;
    if (inFence) continue;
    const heading = text.startsWith('#') ? hashHeading.exec(text)?.[1] : undefined;
    if (heading !== undefined) open(heading, line);
    else if (line > 0 && underline.test(text) && /^\w/.test(lines[line - 1]!)) open(lines[line - 1]!.trim(), line - 1);
  }
  return sections;
}
