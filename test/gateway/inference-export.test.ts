// What the trainer exports, served by the engines: prompts and tokens equal, and the same model answers.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { silentLogger } from '../../core/logger.ts';
import type { InferenceBackend } from '../../gateway/inference/backend.ts';
import { createEmbeddedBackend } from '../../gateway/inference/embedded/backend.ts';
import type { ExportRecord } from '../../gateway/inference/export-record.ts';
import { createOllamaBackend } from '../../gateway/inference/ollama.ts';
import { wholeChat } from '../../gateway/inference/openai-answer.ts';
import { needsOllama, startOllama } from '../support/ollama.ts';
import { makeRealExport, needsTrainer } from '../support/real-export.ts';

t.setTimeout(240_000);

const model = { name: 'shop:latest', backendName: 'shop:job_1' };

t.test('an export of the real trainer', { ...needsTrainer(), timeout: 200_000 }, async (t) => {
  const dir = t.testdir();
  const exported = await makeRealExport(join(dir, 'export'));
  const record = JSON.parse(await readFile(join(exported.dir, 'export.json'), 'utf8')) as ExportRecord;
  const soon = (): AbortSignal => AbortSignal.timeout(60_000);
  const answers = (backend: InferenceBackend) =>
    Promise.all(record.renderings.map(({ messages }) => wholeChat(backend, Buffer.from(JSON.stringify({ model: model.backendName, messages, max_tokens: 4, temperature: 0 })), model, soon())));
  const counted = record.renderings.map((rendering) => rendering.token_ids.length);

  await t.test('embedded', async (t) => {
    const backend = createEmbeddedBackend({ modelsDir: join(dir, 'models'), threads: 1, logger: silentLogger });
    t.teardown(() => backend.stop());
    backend.start();
    t.same(await backend.create(model.backendName, exported, soon()), { digest: exported.ggufDigest });
    t.same((await answers(backend)).map((answer) => answer.usage.prompt_tokens), counted);
  });

  await t.test('Ollama', needsOllama(), async (t) => {
    const ollama = await startOllama(t);
    const backend = createOllamaBackend(ollama.url);
    t.teardown(() => backend.stop());
    t.match(await backend.create(model.backendName, exported, soon()), { digest: /^[0-9a-f]{64}$/ });
    t.same((await answers(backend)).map((answer) => answer.usage.prompt_tokens), counted);
  });
});
