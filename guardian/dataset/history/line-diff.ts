/** A stretch of changed lines. Lines count from 0. */
export interface Hunk {
  oldStart: number;
  removed: readonly string[];
  newStart: number;
  added: readonly string[];
}

/** More changed lines than this make no short example; the search stops there. */
const maxEdits = 60;

/**
 * The lines that differ, by Myers' greedy algorithm ("An O(ND) Difference Algorithm and Its Variations", 1986). Made
 * here rather than by git, whose output depends on its version, its settings and attributes in the working directory.
 * @returns undefined when more than 60 lines differ
 */
export function diffLines(before: readonly string[], after: readonly string[]): Hunk[] | undefined {
  let start = 0;
  while (start < before.length && start < after.length && before[start] === after[start]) start += 1;
  let oldEnd = before.length;
  let newEnd = after.length;
  while (oldEnd > start && newEnd > start && before[oldEnd - 1] === after[newEnd - 1]) {
    oldEnd -= 1;
    newEnd -= 1;
  }
  const steps = search(before.slice(start, oldEnd), after.slice(start, newEnd));
  return steps === undefined ? undefined : hunksOf(steps, before, after, start);
}

/** Whether each step of the way takes a line away, adds one, or keeps one. */
type Step = '-' | '+' | '=';

function search(a: readonly string[], b: readonly string[]): Step[] | undefined {
  const trace: Map<number, number>[] = [];
  let reach = new Map([[1, 0]]);
  for (let edits = 0; edits <= maxEdits; edits += 1) {
    trace.push(reach);
    const next = new Map<number, number>();
    for (let diagonal = -edits; diagonal <= edits; diagonal += 2) {
      let x = goesDown(reach, diagonal, edits) ? (reach.get(diagonal + 1) ?? 0) : (reach.get(diagonal - 1) ?? 0) + 1;
      while (x < a.length && x - diagonal < b.length && a[x] === b[x - diagonal]) x += 1;
      next.set(diagonal, x);
      if (diagonal === a.length - b.length && x >= a.length) return back(trace, a.length, b.length);
    }
    reach = next;
  }
  return undefined;
}

function goesDown(reach: ReadonlyMap<number, number>, diagonal: number, edits: number): boolean {
  return diagonal === -edits || (diagonal !== edits && (reach.get(diagonal - 1) ?? -1) < (reach.get(diagonal + 1) ?? -1));
}

function back(trace: readonly ReadonlyMap<number, number>[], oldLength: number, newLength: number): Step[] {
  const steps: Step[] = [];
  let x = oldLength;
  let y = newLength;
  for (let edits = trace.length - 1; edits >= 0; edits -= 1) {
    const reach = trace[edits]!;
    const diagonal = x - y;
    const previous = goesDown(reach, diagonal, edits) ? diagonal + 1 : diagonal - 1;
    const fromX = reach.get(previous) ?? 0;
    const fromY = fromX - previous;
    while (x > Math.max(fromX, 0) && y > Math.max(fromY, 0)) {
      steps.push('=');
      x -= 1;
      y -= 1;
    }
    if (edits === 0) break;
    steps.push(x === fromX ? '+' : '-');
    [x, y] = [fromX, fromY];
  }
  return steps.reverse();
}

function hunksOf(steps: readonly Step[], before: readonly string[], after: readonly string[], start: number): Hunk[] {
  const hunks: Hunk[] = [];
  let [x, y] = [start, start];
  for (let at = 0; at < steps.length; ) {
    if (steps[at] === '=') {
      x += 1;
      y += 1;
      at += 1;
      continue;
    }
    const [oldStart, newStart] = [x, y];
    for (; at < steps.length && steps[at] !== '='; at += 1) {
      if (steps[at] === '-') x += 1;
      else y += 1;
    }
    hunks.push({ oldStart, removed: before.slice(oldStart, x), newStart, added: after.slice(newStart, y) });
  }
  return hunks;
}
