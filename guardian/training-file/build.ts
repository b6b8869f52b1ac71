import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { parseChatRow, promptKey, rowKey, type ChatRow } from '../../core/training-file/chat-row.ts';
import { maxLineBytes, maxTrainingFileBytes } from '../../core/training-file/limits.ts';
import { createProblems } from '../../core/training-file/problems.ts';
import { TaskFailure } from '../../core/worker/task-runner.ts';
import { createTally, datasetFormat, settingsForReport, sorted, type DatasetReport } from '../dataset/report.ts';
import { createCounter, type Side } from '../dataset/row.ts';
import type { DatasetSettings } from '../dataset/settings.ts';
import { split } from '../dataset/split.ts';
import { createDatasetWriter } from '../dataset/writer.ts';
import { hashedLines } from './lines.ts';

/** A JSONL file in chat form. */
export interface PinnedFile {
  /** Absolute. */
  path: string;
  /** `file:` and the SHA-256 that the file had when the job was submitted. */
  commit: string;
}

export interface TrainingFileOptions extends PinnedFile {
  /** All of its rows are held out; without one a share of the training file's are. */
  validation?: PinnedFile | undefined;
  settings: DatasetSettings;
  directory: string;
  signal: AbortSignal;
  progress(share: number): void;
}

/** Where a row stands that is taken, and what it asks. Its text is read again when it is written: files may be large. */
interface Place {
  line: number;
  prompt: string;
}

/**
 * Makes a dataset of a training file: every line checked, equal rows taken once, split by a seeded hash of what is
 * asked, so that one question never stands on both sides.
 * @throws TaskFailure bad_dataset: wrong lines with their numbers, or a file is not what was submitted
 */
export async function buildFromTrainingFile(options: TrainingFileOptions): Promise<DatasetReport> {
  const { validation, settings, signal, progress } = options;
  const dropped = createCounter();
  const trained = await scan(options, dropped.add, signal, (share) => progress(share * 0.5));
  const sides: Side[] = validation !== undefined ? trained.places.map(() => 'train') : split(trained.places.map(({ prompt }) => ({ key: prompt, group: prompt })), settings.heldoutShare, settings.seed, settings.minHeldoutRows);
  const parts = [{ path: options.path, places: trained.places, sides }];
  let bytes = trained.bytes;
  if (validation !== undefined) {
    const read = await scan(validation, dropped.add, signal, () => {});
    const asked = new Set(trained.places.map(({ prompt }) => prompt));
    const places = read.places.filter(({ prompt }) => !asked.has(prompt));
    dropped.add('validation_in_training', read.places.length - places.length);
    parts.push({ path: validation.path, places, sides: places.map(() => 'heldout') });
    bytes += read.bytes;
  }
  const writer = createDatasetWriter(options.directory);
  const tally = createTally(settings.seed);
  try {
    for (const part of parts) {
      for await (const { row: { messages, line }, side } of rowsOf(part, signal)) {
        const row = { messages, kind: 'chat' as const, path: '', start_line: line, end_line: line };
        tally.add(side, row, 'chat');
        await writer.add(side, row);
      }
    }
    const report: DatasetReport = {
      format: datasetFormat,
      commit: options.commit,
      settings: settingsForReport(settings),
      files_listed: parts.length,
      bytes_read: bytes,
      files_dropped: {},
      rows_dropped: sorted(new Map([...dropped.counts].filter(([, count]) => count > 0))),
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

/** Checks every line, and says which are taken. */
async function scan({ path, commit }: PinnedFile, drop: (reason: string) => void, signal: AbortSignal, progress: (share: number) => void): Promise<{ places: Place[]; bytes: number }> {
  const { size } = await stat(path);
  if (size > maxTrainingFileBytes) throw new TaskFailure('bad_dataset', `${path} has ${size} bytes, at most ${maxTrainingFileBytes} are taken`, false);
  const hash = createHash('sha256');
  const problems = createProblems();
  const places: Place[] = [];
  const seen = new Set<string>();
  let bytes = 0;
  for await (const { line, text, bytes: read } of hashedLines(path, hash, maxLineBytes, signal)) {
    bytes += read;
    progress(Math.min(1, bytes / size));
    if (text.trim() === '') continue;
    const row = parseChatRow(text, line);
    if (typeof row === 'string') {
      problems.add(line, row);
      continue;
    }
    const key = rowKey(row);
    if (seen.has(key)) drop('duplicate');
    else places.push({ line, prompt: promptKey(row) });
    seen.add(key);
  }
  if (`file:${hash.digest('hex')}` !== commit) throw new TaskFailure('bad_dataset', `${path} was changed after the job was submitted; submit it again`, false);
  const wrong = problems.text();
  if (wrong !== undefined) throw new TaskFailure('bad_dataset', `${path} has ${wrong}`, false);
  return { places, bytes };
}

async function* rowsOf({ path, places, sides }: { path: string; places: readonly Place[]; sides: readonly Side[] }, signal: AbortSignal): AsyncGenerator<{ row: ChatRow; side: Side }> {
  let next = 0;
  for await (const { line, text } of hashedLines(path, createHash('sha256'), maxLineBytes, signal)) {
    if (places[next]?.line !== line) continue;
    const row = parseChatRow(text, line);
    // It was one a moment ago.
    if (typeof row === 'string') throw new TaskFailure('bad_dataset', `${path} was changed while it was read; submit it again`, false);
    yield { row, side: sides[next]! };
    next += 1;
  }
}
