// The long run of test/openapi/schemathesis.test.ts: more requests, thought up from another seed.
import t from 'tap';
import { schemathesis } from '../support/schemathesis.ts';

t.setTimeout(1_200_000);

t.test('every route keeps to its description, long', async (t) => {
  const { anything, known } = await schemathesis(t, { examples: 40, seed: 2, limitMs: 500_000 });
  t.equal(anything.status, 0, anything.output);
  t.equal(known.status, 0, known.output);
});
