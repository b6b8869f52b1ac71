// The snippets of docs/clients.md as they stand, with nothing changed but the port. Those in Python: test/full/clients.test.ts.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import t from 'tap';
import { clientSnippets, snippetRunner } from '../support/client-snippets.ts';

t.setTimeout(180_000);

const has = (command: string) => promisify(execFile)(command, ['--version']).then(() => true, () => false);

t.test('each snippet of the page has a test', async (t) => {
  const inFull = ['Python SDK', 'LangChain', 'LiteLLM'];
  t.strictSame(clientSnippets.map(({ heading }) => heading).sort(), ['Node SDK', 'Embeddings, files and fine-tuning', 'curl', 'grpcurl', ...inFull].sort());
  t.strictSame(clientSnippets.filter(({ language }) => language === 'python').map(({ heading }) => heading), inFull);
});

t.test('what the page shows works', async (t) => {
  const run = await snippetRunner(t);

  await t.test('Node SDK', async (t) => {
    const said = await run('Node SDK', process.execPath, '.mjs');
    t.match(said, /^.{50} \d+\n.{50}my-project:latest\nmodel_not_found\n$/s);
  });

  await t.test('Embeddings, files and fine-tuning', async (t) => {
    const said = await run('Embeddings, files and fine-tuning', process.execPath, '.mjs');
    t.match(said, /^2 \d+\n/);
    t.match(said, /\n(?:queued|validating_files|running) cancelled\n$/);
  });

  await t.test('curl', (await has('curl')) ? {} : { skip: 'curl is not on PATH' }, async (t) => {
    const said = await run('curl', 'sh', '.sh');
    t.match(said, /"id":"my-project:latest"/);
    t.match(said, /"object":"chat\.completion"/);
    t.match(said, /"usage":\{[^}]*"total_tokens":\d+[^]*data: \[DONE\]\n+$/);
  });

  await t.test('grpcurl', (await has('grpcurl')) ? {} : { skip: 'grpcurl is not on PATH' }, async (t) => {
    const said = await run('grpcurl', 'sh', '.sh');
    t.match(said, /^aiforge\.v1\.InferenceService$/m);
    t.match(said, /"ollamaAvailable"|"inference": "upstream"/);
    t.match(said, /"object": "chat.completion"/);
    t.match(said, /"finishReason": "length"/);
  });
});
