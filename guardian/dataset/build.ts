import { createBreather } from './breather.ts';
import { collectFiles } from './collect.ts';
import { planFull } from './full/plan.ts';
import { planPlain } from './plain/plan.ts';
import { createTally, datasetFormat, settingsForReport, sorted, sumOf, type DatasetReport } from './report.ts';
import type { DatasetSettings } from './settings.ts';
import { createDatasetWriter } from './writer.ts';

export interface BuildOptions {
  /** Absolute path of the repository, and the full id of the commit. */
  repository: string;
  commit: string;
  settings: DatasetSettings;
  /** An empty folder; the dataset's files are written into it. */
  directory: string;
  signal: AbortSignal;
  /** Called with a share from 0 to 1. */
  progress(share: number): void;
}

/** How far the progress is after reading and after planning, by the time that these take. */
const readShare = 0.2;
const plannedShare = 0.9;

/**
 * Makes a dataset of a repository at a commit: train.jsonl and heldout.jsonl (a row each line), heldout_files.jsonl
 * (the held-out files whole), report.json and report.md. They are a function of commit and settings alone: the same
 * bytes on every machine, but that a shallow or partial copy of the repository gives no commit messages, and says so.
 * @throws Error when git can't give the commit's files; the signal's reason when it aborts
 */
export async function buildDataset(options: BuildOptions): Promise<DatasetReport> {
  const { repository, commit, settings, signal, progress } = options;
  const collected = await collectFiles(repository, commit, settings, signal, (share) => progress(share * readShare));
  signal.throwIfAborted();
  const breathe = createBreather(signal);
  const plan =
    settings.recipe === 'plain'
      ? await planPlain(collected.files, settings, breathe)
      : await planFull({ files: collected.files, repository, commit, settings, signal, breathe, progress: (share) => progress(readShare + share * (plannedShare - readShare)) });
  const writer = createDatasetWriter(options.directory);
  const tally = createTally(settings.seed);
  try {
    let written = 0;
    for (const { side, row, language } of plan.rows) {
      await breathe();
      signal.throwIfAborted();
      tally.add(side, row, language);
      await writer.add(side, row);
      written += 1;
      progress(plannedShare + (written / plan.count) * (1 - plannedShare));
    }
    for (const file of plan.heldoutFiles) await writer.add('heldout_files', file);
    const report: DatasetReport = {
      format: datasetFormat,
      commit,
      settings: settingsForReport(settings),
      files_listed: collected.listed,
      bytes_read: collected.bytes,
      ...(plan.parsed === undefined ? {} : { files_parsed: plan.parsed.files, files_broken: plan.parsed.broken }),
      ...(plan.historyGap === undefined ? {} : { history_gap: plan.historyGap }),
      files_dropped: sorted(sumOf(collected.dropped, plan.filesDropped)),
      rows_dropped: sorted(plan.rowsDropped),
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
