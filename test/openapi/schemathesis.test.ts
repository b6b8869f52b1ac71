// What schemathesis thinks up for each route of /openapi.json: no 5xx, no status that is not documented, no answer that
// does not fit its schema, and nothing accepted that the schemas forbid. test/full has a longer run.
import t from 'tap';
import { schemathesis } from '../support/schemathesis.ts';

t.setTimeout(290_000);

t.test('every route keeps to its description', async (t) => {
  const { anything, known } = await schemathesis(t, { examples: 5, seed: 1, limitMs: 140_000 });
  t.match(anything.output, /Selected: (\d+)\/\1\n\s+Tested: \1\n/, 'every operation was tried');
  t.equal(anything.status, 0, anything.output);
  t.match(known.output, /\n\s+Tested: \d\d\n/);
  t.equal(known.status, 0, known.output);
});
