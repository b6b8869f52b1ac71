import { createBreather } from './breather.ts';
import { collectFiles } from './collect.ts';
import { renderRow } from './example.ts';
import { planExamples } from './plan.ts';
import { createTally, datasetFormat, settingsForReport, sorted, type DatasetReport } from './report.ts';
import type { DatasetSettings } from './settings.ts';
import { createDatasetWriter } from './writer.ts';

export interface BuildOptions {
  /** Absolute path of the repository, and the full id of the commit. */
  repository: string;
  commit: string;
  settings: DatasetSettings;
  /** An empty folder; train.jsonl, heldout.jsonl and report.json are written into it. */
  directory: string;
  signal: AbortSignal;
  /** Called with a share from 0 to 1. */
  progress(share: number): void;
}

/** Reading takes most of the time. */
const readingShare = 0.7;

/**
 * Makes a dataset of a repository at a commit. The files written are a function of commit and settings alone: the
 * same bytes on every machine.
 * @throws Error when git can't give the commit's files; the signal's reason when it aborts
 */
export async function buildDataset(options: BuildOptions): Promise<DatasetReport> {
  const { repository, commit, settings, signal, progress } = options;
  const collected = await collectFiles(repository, commit, settings, signal, (share) => progress(share * readingShare));
  signal.throwIfAborted();
  const breathe = createBreather(signal);
  const plan = await planExamples(collected.files, settings, breathe);
  const writer = createDatasetWriter(options.directory);
  const tally = createTally();
  try {
    for (const [index, { file, side, spans }] of plan.files.entries()) {
      await breathe();
      for (const span of spans) {
        const row = renderRow(file, span);
        tally.add(side, row, file.language.name);
        await writer.add(side, row);
      }
      progress(readingShare + ((index + 1) / plan.files.length) * (1 - readingShare));
    }
    const report: DatasetReport = {
      format: datasetFormat,
      commit,
      settings: settingsForReport(settings),
      files_listed: collected.listed,
      bytes_read: collected.bytes,
      files_dropped: sorted(collected.dropped),
      rows_dropped: sorted(plan.dropped),
      train: tally.report('train'),
      heldout: tally.report('heldout'),
    };
    await writer.finish(report);
    return report;
  } finally {
    writer.abandon();
  }
}
