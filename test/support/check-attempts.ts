import type { StoredEnvelope } from '../../core/store/event-store.ts';

/** What one task's events came to, counted here and not by the fold under test. */
interface Seen {
  completed: number;
  /** Attempts in the order of their start; a number for the last accepted report, or `over`. */
  attempts: Map<number, { reported: number; over: boolean }>;
}

/**
 * The fence, seen from the stream alone: attempts are numbered 1, 2, 3 …, one at a time; reports of each are
 * numbered 1, 2, 3 … without gap or repeat; nothing comes from an attempt that is over; a task that completed did so once.
 * @returns what is wrong, as sentences
 */
export function checkAttempts(history: readonly StoredEnvelope[]): string[] {
  const problems: string[] = [];
  const tasks = new Map<string, Seen>();
  for (const { sequence, aggregate, id, envelope } of history) {
    if (aggregate !== 'task') continue;
    const task = tasks.get(id) ?? { completed: 0, attempts: new Map() };
    tasks.set(id, task);
    const wrong = (what: string): void => void problems.push(`${sequence}: ${id}: ${what}`);
    for (const { kind } of envelope.events) {
      if (kind.case === 'taskCompleted') task.completed += 1;
      if (kind.case === 'attemptStarted') {
        if (kind.value.attempt !== task.attempts.size + 1) wrong(`attempt ${kind.value.attempt} started after ${task.attempts.size}`);
        if ([...task.attempts.values()].some((attempt) => !attempt.over)) wrong(`attempt ${kind.value.attempt} started while another ran`);
        task.attempts.set(kind.value.attempt, { reported: 0, over: false });
      } else if (kind.case === 'reportAccepted' || kind.case === 'phaseEntered' || kind.case === 'checkpointSaved' || kind.case === 'attemptEnded') {
        const attempt = task.attempts.get(kind.value.attempt);
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
  for (const [id, { completed }] of tasks) if (completed !== 1) problems.push(`${id} completed ${completed} times`);
  return problems;
}
