// The Python snippets of docs/clients.md as they stand, with the packages that test/clients/requirements.txt pins.
import { join, resolve } from 'node:path';
import t from 'tap';
import { snippetRunner } from '../support/client-snippets.ts';
import { pythonTools } from '../support/python-tools.ts';

t.setTimeout(600_000);

t.test('the Python snippets', async (t) => {
  const python = join(await pythonTools(resolve(import.meta.dirname, '../clients/requirements.txt')), 'python');
  const run = await snippetRunner(t);
  t.match(await run('Python SDK', python, '.py'), /^.{50} \d+\n.{50}\['my-project:latest'\]\nmodel_not_found\n$/s, 'Python SDK');
  t.match(await run('LangChain', python, '.py'), /^.{50}\n.{50}$/s, 'LangChain');
  t.match(await run('LiteLLM', python, '.py'), /^.{50}\n$/s, 'LiteLLM');
});
