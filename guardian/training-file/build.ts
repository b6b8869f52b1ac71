import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { TaskFailure } from '../../core/worker/task-runner.ts';
import { createTally, datasetFormat, settingsForReport, sorted, type DatasetReport } from '../dataset/report.ts';
import type { DatasetSettings } from '../dataset/settings.ts';
import { split } from '../dataset/split.ts';
import { createDatasetWriter } from '../dataset/writer.ts';
import { maxTrainingFileBytes } from './hash.ts';
import { hashedLines } from './lines.ts';
import { parseChatRow, promptKey, rowKey, type ChatRow } from './row.ts';

const maxLineBytes = 1 << 20;
/** So many wrong lines are named; the rest is counted. */
const namedProblems = 10;

export interface TrainingFileOptions {
  /** Absolute path of a JSONL file in chat form. */
  path: string;
  /** `file:` and the SHA-256 that the file had when the job was submitted. */
  commit: string;
  settings: DatasetSettings;
  directory: string;
  signal: AbortSignal;
  progress(share: number): void;
}

/**
 * Makes a dataset of a training file: every line checked, equal rows taken once, split by a seeded hash of what is
 * asked, so that one question never stands on both sides.
 * @throws TaskFailure bad_dataset: wrong lines with their numbers, or the file is not what was submitted
 */
export async function buildFromTrainingFile(options: TrainingFileOptions): Promise<DatasetReport> {
  const { settings, signal } = options;
  const read = await readRows(options);
  const items = read.rows.map((row) => ({ key: promptKey(row), group: promptKey(row) }));
  const sides = split(items, settings.heldoutShare, settings.seed);
  const writer = createDatasetWriter(options.directory);
  const tally = createTally(settings.seed);
  try {
    for (const [index, { messages, line }] of read.rows.entries()) {
      signal.throwIfAborted();
      const row = { messages, kind: 'chat' as const, path: '', start_line: line, end_line: line };
      tally.add(sides[index]!, row, 'chat');
      await writer.add(sides[index]!, row);
    }
    const report: DatasetReport = {
      format: datasetFormat,
      commit: options.commit,
      settings: settingsForReport(settings),
      files_listed: 1,
      bytes_read: read.bytes,
      files_dropped: {},
      rows_dropped: sorted(read.dropped),
      train: tally.report('train'),
      heldout: tally.report('heldout'),
      samples: tally.samples(),
    };
    await writer.finish(report);
    return report;
  } finally {
    writer.abandon();
  }
}

async function readRows({ path, commit, signal, progress }: TrainingFileOptions): Promise<{ rows: ChatRow[]; dropped: Map<string, number>; bytes: number }> {
  const { size } = await stat(path);
  if (size > maxTrainingFileBytes) throw new TaskFailure('bad_dataset', `${path} has ${size} bytes, at most ${maxTrainingFileBytes} are taken`, false);
  const hash = createHash('sha256');
  const problems: string[] = [];
  const rows: ChatRow[] = [];
  const seen = new Set<string>();
  const dropped = new Map<string, number>();
  let wrong = 0;
  let bytes = 0;
  const lines = hashedLines(path, hash, maxLineBytes, signal);
  for await (const { line, text, bytes: read } of lines) {
    bytes += read;
    progress(Math.min(1, bytes / size) * 0.7);
    if (text.trim() === '') continue;
    const row = parseChatRow(text, line);
    if (typeof row === 'string') {
      wrong += 1;
      if (problems.length < namedProblems) problems.push(`line ${line}: ${row}`);
      continue;
    }
    const key = rowKey(row);
    if (seen.has(key)) dropped.set('duplicate', (dropped.get('duplicate') ?? 0) + 1);
    else rows.push(row);
    seen.add(key);
  }
  if (`file:${hash.digest('hex')}` !== commit) throw new TaskFailure('bad_dataset', `${path} was changed after the job was submitted; submit it again`, false);
  if (wrong > 0) throw new TaskFailure('bad_dataset', `${path} has ${wrong} wrong lines: ${problems.join('; ')}${wrong > problems.length ? `; and ${wrong - problems.length} more` : ''}`, false);
  return { rows, dropped, bytes };
}
