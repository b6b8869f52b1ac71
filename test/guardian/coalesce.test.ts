import t from 'tap';
import { createCoalescer } from '../../guardian/coalesce.ts';

/** Work that ends when the test says so, numbered by when it began. */
function controlled() {
  const begun: PromiseWithResolvers<number>[] = [];
  const work = (): Promise<number> => {
    begun.push(Promise.withResolvers<number>());
    return begun.at(-1)!.promise;
  };
  return { work, begun };
}

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

t.test('who comes during a run waits for the next one, together with all others', async (t) => {
  const { work, begun } = controlled();
  const share = createCoalescer<number>();
  const first = share('a', work);
  const late = [share('a', work), share('a', work), share('a', work)];
  const other = share('b', work);
  await settle();
  t.equal(begun.length, 2, 'one run a key');
  begun[0]!.resolve(1);
  t.equal(await first, 1);
  await settle();
  t.equal(begun.length, 3, 'the late ones share one more');
  begun[2]!.resolve(3);
  t.same(await Promise.all(late), [3, 3, 3], 'and get what was begun after they came');
  begun[1]!.resolve(2);
  t.equal(await other, 2);
  const fresh = share('a', work);
  t.equal(begun.length, 4, 'nothing is kept');
  begun[3]!.resolve(4);
  t.equal(await fresh, 4);
});

t.test('an error reaches those who share it, and nobody else', async (t) => {
  const { work, begun } = controlled();
  const share = createCoalescer<number>();
  const first = share('a', work);
  const late = share('a', work);
  begun[0]!.reject(new Error('first'));
  await t.rejects(first, /first/);
  await settle();
  begun[1]!.resolve(2);
  t.equal(await late, 2);
});
