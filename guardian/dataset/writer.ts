import { createWriteStream } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { once } from 'node:events';
import { join } from 'node:path';
import { finished } from 'node:stream/promises';
import { renderReport } from './render-report.ts';
import type { DatasetReport } from './report.ts';
import type { Side } from './row.ts';

const batchChars = 1 << 18;

/** Writes the files of a dataset into a folder: train.jsonl, heldout.jsonl, heldout_files.jsonl, report.json, report.md. */
export interface DatasetWriter {
  /** One JSON object a line, ended by `\n`. `heldout_files` are whole files. */
  add(to: Side | 'heldout_files', row: object): Promise<void>;
  finish(report: DatasetReport): Promise<void>;
  /** Ends what was begun; the folder is left to its owner. */
  abandon(): void;
}

export function createDatasetWriter(directory: string): DatasetWriter {
  const open = (name: string) => ({ stream: createWriteStream(join(directory, `${name}.jsonl`)), batch: '' });
  const outputs = { train: open('train'), heldout: open('heldout'), heldout_files: open('heldout_files') };
  for (const { stream } of Object.values(outputs)) stream.on('error', () => undefined);

  async function flush(output: ReturnType<typeof open>): Promise<void> {
    const text = output.batch;
    output.batch = '';
    if (output.stream.errored !== null) throw output.stream.errored;
    if (text !== '' && !output.stream.write(text)) await once(output.stream, 'drain');
  }

  return {
    async add(to, row) {
      const output = outputs[to];
      output.batch += `${JSON.stringify(row)}\n`;
      if (output.batch.length > batchChars) await flush(output);
    },
    async finish(report) {
      for (const output of Object.values(outputs)) {
        await flush(output);
        output.stream.end();
        await finished(output.stream);
      }
      await writeFile(join(directory, 'report.json'), `${JSON.stringify(report, null, 2)}\n`);
      await writeFile(join(directory, 'report.md'), renderReport(report));
    },
    abandon() {
      for (const { stream } of Object.values(outputs)) stream.destroy();
    },
  };
}
