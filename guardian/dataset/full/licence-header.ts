const comment = /^\s*(?:\/\/|\/\*|\*|#|--|;|<!--|"""|''')/;
const licence = /licen[cs]e|copyright|spdx-/i;
const maxLines = 60;

/**
 * How many lines at the beginning are a licence's notice: the same words in each file teach nothing of the code, and
 * would be seen on both sides.
 * @returns 0 when the file does not begin with one
 */
export function licenceHeaderLines(lines: readonly string[]): number {
  let end = 0;
  let speaks = false;
  let inBlock = false;
  for (; end < lines.length && end < maxLines; end += 1) {
    const line = lines[end]!;
    const isComment = inBlock || comment.test(line);
    // After the notice an empty line ends it; before, a shebang or empty lines may stand.
    if (!isComment && (line.trim() !== '' || speaks)) break;
    speaks ||= isComment && licence.test(line);
    if (inBlock ? line.includes('*/') : /^\s*\/\*/.test(line)) inBlock = !line.includes('*/');
  }
  if (!speaks || inBlock) return 0;
  while (end < lines.length && lines[end]!.trim() === '') end += 1;
  return end;
}
