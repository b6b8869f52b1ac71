import t from 'tap';
import { createTally } from '../../gateway/access/tally.ts';

t.test('places are counted for all, for one key, and for what asks a model', async (t) => {
  const tally = createTally({ requests: 5, requestsPerKey: 3, inference: 3, inferencePerKey: 2 });
  const refused = (keyId: string | undefined, model: boolean, message: RegExp): void => void t.throws(() => tally.enter(keyId, model), { code: 'rate_limited', message });
  const open = [tally.enter('a', true), tally.enter('a', true)];
  refused('a', true, /models by this API key: 2 .*FORGE_MAX_INFERENCE_PER_KEY/);
  open.push(tally.enter('a', false));
  refused('a', false, /by this API key: 3 .*FORGE_MAX_REQUESTS_PER_KEY/);
  open.push(tally.enter('b', true));
  refused('b', true, /models: 3 .*FORGE_MAX_INFERENCE\)/);
  open.push(tally.enter(undefined, false));
  refused('b', false, /too many requests: 5 .*FORGE_MAX_REQUESTS\)/);
  for (const leave of open) leave();
  open[0]!();
  for (let n = 0; n < 3; n++) open.push(tally.enter('a', n < 2));
  refused('a', false, /by this API key: 3/);
});
