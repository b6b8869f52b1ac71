import { checkFence } from '../support/check-attempts.ts';
import { checkOutcomes } from '../support/check-outcomes.ts';
import { checkAdmission, checkChain } from '../support/check-stream.ts';
import type { Outcome } from './world.ts';

/** Whether all promises held in a run. @returns what is wrong, as sentences */
export function check({ history, told, oddities }: Outcome): string[] {
  return [...oddities, ...checkChain(history), ...checkAdmission(history), ...checkFence(history), ...checkOutcomes(history, told)];
}
