import type { StoredEnvelope } from '../../core/store/event-store.ts';

/** One task's attempts in the order of their start, counted here and not by the fold under test. */
type Attempts = Map<number, { reported: number; over: boolean }>;

/** The fence (see checkFence), and each task completed once. @returns what is wrong, as sentences */
export function checkAttempts(history: readonly StoredEnvelope[]): string[] {
  const completed = new Map<string, number>();
  for (const { aggregate, id, envelope } of history) {
    if (aggregate === 'task') completed.set(id, (completed.get(id) ?? 0) + envelope.events.filter(({ kind }) => kind.case === 'taskCompleted').length);
  }
  return [...checkFence(history), ...[...completed].filter(([, times]) => times !== 1).map(([id, times]) => `${id} completed ${times} times`)];
}

/**
 * The fence, seen from the stream alone: attempts are numbered 1, 2, 3 …, one at a time; reports of each are
 * numbered 1, 2, 3 … without gap or repeat; nothing comes from an attempt that is over.
 * @returns what is wrong, as sentences
 */
export function checkFence(history: readonly StoredEnvelope[]): string[] {
  const problems: string[] = [];
  const tasks = new Map<string, Attempts>();
  for (const { sequence, aggregate, id, envelope } of history) {
    if (aggregate !== 'task') continue;
    const attempts: Attempts = tasks.get(id) ?? new Map();
    tasks.set(id, attempts);
    const wrong = (what: string): void => void problems.push(`${sequence}: ${id}: ${what}`);
    for (const { kind } of envelope.events) {
      if (kind.case === 'attemptStarted') {
        if (kind.value.attempt !== attempts.size + 1) wrong(`attempt ${kind.value.attempt} started after ${attempts.size}`);
        if ([...attempts.values()].some((attempt) => !attempt.over)) wrong(`attempt ${kind.value.attempt} started while another ran`);
        attempts.set(kind.value.attempt, { reported: 0, over: false });
      } else if (kind.case === 'reportAccepted' || kind.case === 'phaseEntered' || kind.case === 'checkpointSaved' || kind.case === 'attemptEnded') {
        const attempt = attempts.get(kind.value.attempt);
        if (attempt === undefined) {
          wrong(`${kind.case} of attempt ${kind.value.attempt}, which never started`);
          continue;
        }
        if (attempt.over) wrong(`${kind.case} of attempt ${kind.value.attempt}, which is over`);
        if (kind.case === 'attemptEnded') attempt.over = true;
        if (kind.case !== 'reportAccepted') continue;
        if (Number(kind.value.number) !== attempt.reported + 1) wrong(`report ${kind.value.number} of attempt ${kind.value.attempt} after ${attempt.reported}`);
        attempt.reported = Number(kind.value.number);
      }
    }
  }
  return problems;
}
