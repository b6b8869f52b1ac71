/** What one test file's TAP says. Points are counted at the top level: one for each test of the file. */
export interface TapSummary {
  passed: number;
  failed: number;
  /** Skips at any depth, with their reasons. */
  skips: string[];
  /** Whole blocks, nested lines and diagnostics included, of the points that failed. */
  failures: string[];
  /** Something is wrong with the stream itself: no plan, a wrong count, a bail out. */
  problem: string | undefined;
}

const point = /^(not )?ok\b(?:\s+(\d+))?(?:\s*-\s*)?(.*)$/;
const directive = /(?<!\\)#\s*(SKIP|TODO)\b\s*(.*?)\s*\{?$/i;

/**
 * Reads TAP version 14 as node-tap writes it (https://testanything.org/tap-version-14-specification.html).
 * A point marked TODO is no excuse: it counts as what it is.
 */
export function summarizeTap(text: string): TapSummary {
  const summary: TapSummary = { passed: 0, failed: 0, skips: [], failures: [], problem: undefined };
  let planned: number | undefined;
  let points = 0;
  let block: string[] = [];
  let hasPoint = false;
  let failing = false;
  const close = (): void => {
    if (failing) summary.failures.push(block.join('\n').trimEnd());
    block = [];
    hasPoint = false;
    failing = false;
  };
  for (const line of text.split('\n')) {
    const plan = /^1\.\.(\d+)(?:\s*#\s*(.*))?$/.exec(line);
    const found = point.exec(line);
    const nested = /^\s+(?:not )?ok\b.*$/.exec(line);
    const skip = found !== null || nested !== null ? directive.exec(line) : null;
    if (skip !== null && skip[1]!.toUpperCase() === 'SKIP') summary.skips.push(line.trim().replace(/\s*\{$/, ''));
    if (line.startsWith('Bail out!')) summary.problem = line;
    if (plan !== null) {
      close();
      planned = Number(plan[1]);
      if (planned === 0) summary.skips.push(`whole file: ${plan[2] ?? 'no reason given'}`);
    } else if (found !== null) {
      // A subtest's lines come before its point, diagnostics after it.
      if (hasPoint) close();
      block.push(line);
      hasPoint = true;
      points += 1;
      failing = found[1] !== undefined;
      if (failing) summary.failed += 1;
      else if (skip === null || skip[1]!.toUpperCase() === 'TODO') summary.passed += 1;
    } else {
      if (line.startsWith('# Subtest:')) close();
      block.push(line);
    }
  }
  close();
  if (summary.problem === undefined) {
    if (planned === undefined) summary.problem = 'no plan: the file ended before its tests did';
    else if (planned !== points) summary.problem = `${planned} tests planned, ${points} ran`;
  }
  return summary;
}
