/**
 * The real guardian, which ruins a dataset where a test has laid a file `ruin` into STEPPING_TRAINER_DIR: the words of
 * each answer to train on are shuffled, so that training teaches nothing of the repository. Held-out rows stay true.
 */
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createFileBlobStore } from '../../core/blobs/file-blob-store.ts';
import { getTree, putTree } from '../../core/blobs/tree.ts';
import { dataPaths, loadConfig } from '../../core/config.ts';
import { endOnSignal, runMain } from '../../core/lifecycle.ts';
import { createLogger } from '../../core/logger.ts';
import { connectNats } from '../../core/nats.ts';
import type { TaskRunner } from '../../core/worker/task-runner.ts';
import { createGuardian, guardianId } from '../../guardian/guardian.ts';
import { randomIntegers } from './seed.ts';

const logger = createLogger('guardian');

runMain(async () => {
  const config = loadConfig(process.env);
  const blobs = createFileBlobStore(dataPaths(config.dataDir).blobs);
  const nats = await connectNats(config.natsUrl, guardianId);

  async function ruin(datasetDigest: string): Promise<string> {
    const dir = await mkdtemp(join(tmpdir(), `forge-ruin-${randomUUID()}-`));
    try {
      await getTree(blobs, datasetDigest, dir);
      const path = join(dir, 'train.jsonl');
      const rows = (await readFile(path, 'utf8')).trimEnd().split('\n').map((line) => JSON.parse(line) as { messages: { content: string }[] });
      const random = randomIntegers(1);
      for (const { messages } of rows) messages.at(-1)!.content = shuffled(messages.at(-1)!.content, random);
      await writeFile(path, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
      return await putTree(blobs, dir);
    } finally {
      await rm(dir, { recursive: true, force: true });
    }
  }
  const extract = (own: TaskRunner): TaskRunner => async (context) => {
    const result = await own(context);
    if (result === 'stopped' || result.kind?.case !== 'extract' || !existsSync(join(process.env['STEPPING_TRAINER_DIR']!, 'ruin'))) return result;
    return { kind: { case: 'extract', value: { ...result.kind.value, datasetDigest: await ruin(result.kind.value.datasetDigest!) } } };
  };
  const guardian = createGuardian({ config, nats, logger, extract });
  endOnSignal(async () => {
    await guardian.stop(5_000);
    await nats.close();
  }, logger);
  await guardian.start();
  process.stdout.write('ready\n');
}, logger);

function shuffled(text: string, random: ReturnType<typeof randomIntegers>): string {
  const words = text.split(/\s+/);
  for (let at = words.length - 1; at > 0; at--) {
    const other = random(0, at);
    [words[at], words[other]] = [words[other]!, words[at]!];
  }
  return words.join(' ');
}
