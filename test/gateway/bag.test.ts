import fc from 'fast-check';
import t from 'tap';
import { Bag, type Bagged } from '../../gateway/port/bag.ts';

t.test('a bag holds what was added and not taken out, whatever the order', async (t) => {
  fc.assert(fc.property(fc.array(fc.nat(9)), (numbers) => {
    const bag = new Bag<Bagged & { number: number }>();
    const items = Array.from({ length: 10 }, (_, number) => ({ number, place: -1 }));
    const expected = new Set<number>();
    for (const number of numbers) {
      if (expected.has(number)) {
        if (!bag.delete(items[number]!)) return false;
        expected.delete(number);
      } else {
        bag.add(items[number]!);
        expected.add(number);
      }
    }
    const held = bag.all().map((item) => item.number).sort();
    return bag.size === expected.size && JSON.stringify(held) === JSON.stringify([...expected].sort()) && items.every((item) => expected.has(item.number) || !bag.delete(item));
  }));
  t.pass();
});
