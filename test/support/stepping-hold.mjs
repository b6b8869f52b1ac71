/** Where the stepping trainer waits as long as the test's file `hold`, {"command", "step"}, lies in its folder. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';

const lookMs = 5;

/** Writes its process id into `held` when it begins to wait. */
export async function heldAt(dir, command, step) {
  let order;
  try {
    order = JSON.parse(readFileSync(join(dir, 'hold'), 'utf8'));
  } catch {
    return;
  }
  if (order.command !== command || step < order.step) return;
  writeFileSync(join(dir, 'held'), String(process.pid));
  while (existsSync(join(dir, 'hold'))) await setTimeout(lookMs);
}
