import { setImmediate } from 'node:timers/promises';
import t from 'tap';
import { inSlices } from '../../core/in-slices.ts';

/** Takes a millisecond for each. @returns what came, and when it began and ended in turns of the event loop */
async function busy(items: number[], turn: () => number): Promise<{ seen: number[]; turns: Set<number> }> {
  const seen: number[] = [];
  const turns = new Set<number>();
  for await (const item of inSlices(items)) {
    for (const end = performance.now() + 1; performance.now() < end; );
    seen.push(item);
    turns.add(turn());
  }
  return { seen, turns };
}

t.test('other work is done between slices, and each turn of the event loop holds one', async (t) => {
  let turn = 0;
  let counting = true;
  const count = async (): Promise<void> => {
    for (; counting; turn++) await setImmediate();
  };
  void count();
  await setImmediate();
  const items = Array.from({ length: 40 }, (_, n) => n);
  const [a, b] = await Promise.all([busy(items, () => turn), busy(items, () => turn)]);
  counting = false;
  t.strictSame([a.seen, b.seen], [items, items]);
  t.ok(a.turns.size >= 5, `${a.turns.size} turns`);
  const first = Math.min(...a.turns);
  t.strictSame([...a.turns].filter((one) => one > first + 1 && b.turns.has(one)), []);
});
