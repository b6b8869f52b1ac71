import type { DatasetReport, SideReport } from './report.ts';
import type { Sample } from './samples.ts';

/** Tokens of the rows by a base model's tokenizer, counted elsewhere. */
export interface TokenCounts {
  tokenizer: string;
  train: number;
  heldout: number;
  by_kind: Record<string, number>;
}

/** The report as Markdown, for people. @param tokens left out of the text when they were not counted */
export function renderReport(report: DatasetReport, tokens?: TokenCounts): string {
  const { train, heldout } = report;
  const parts = [
    `# Dataset of ${report.commit}`,
    `${train.rows} examples of ${train.files} files to train on, ${heldout.rows} of ${heldout.files} held out. ${report.files_listed} files listed, ${report.bytes_read} bytes read.`,
    ...(report.files_parsed === undefined ? [] : [`${report.files_parsed} files parsed, ${report.files_broken ?? 0} of them with a part that could not be.`]),
    ...(report.history_gap === undefined ? [] : [`No examples of commits, since ${report.history_gap}.`]),
    '## Sides',
    table(['side', 'files', 'rows', 'characters of answers', ...(tokens === undefined ? [] : ['tokens'])], [
      ['train', train.files, train.rows, train.answer_chars, ...(tokens === undefined ? [] : [tokens.train])],
      ['held out', heldout.files, heldout.rows, heldout.answer_chars, ...(tokens === undefined ? [] : [tokens.heldout])],
    ]),
    ...(tokens === undefined ? [] : [`Tokens by the tokenizer of ${tokens.tokenizer}.`]),
    '## Kinds',
    table(['kind', 'train', 'held out', 'share of training characters', ...(tokens === undefined ? [] : ['tokens'])], kindRows(train, heldout, tokens)),
    '## Languages',
    table(['language', 'train', 'held out'], keysOf(train.by_language, heldout.by_language).map((name) => [name, train.by_language[name] ?? 0, heldout.by_language[name] ?? 0])),
    '## Left out',
    table(['files, because', 'count'], Object.entries(report.files_dropped)),
    table(['examples, because', 'count'], Object.entries(report.rows_dropped)),
    '## Settings',
    table(['setting', 'value'], Object.entries(report.settings)),
    '## Samples',
    ...report.samples.map(sampleText),
  ];
  return `${parts.filter((part) => part !== '').join('\n\n')}\n`;
}

function kindRows(train: SideReport, heldout: SideReport, tokens: TokenCounts | undefined): (string | number)[][] {
  return keysOf(train.by_kind, heldout.by_kind).map((kind) => {
    const share = train.answer_chars === 0 ? 0 : (train.chars_by_kind[kind] ?? 0) / train.answer_chars;
    return [kind, train.by_kind[kind] ?? 0, heldout.by_kind[kind] ?? 0, `${(share * 100).toFixed(1)} %`, ...(tokens === undefined ? [] : [tokens.by_kind[kind] ?? 0])];
  });
}

function keysOf(...all: readonly Record<string, number>[]): string[] {
  return [...new Set(all.flatMap((counts) => Object.keys(counts)))].sort();
}

/** Empty when there is no row. */
function table(head: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  if (rows.length === 0) return '';
  const line = (cells: readonly (string | number)[]): string => `| ${cells.map((cell) => String(cell).replace(/\|/g, '\\|')).join(' | ')} |`;
  return [line(head), line(head.map((_, index) => (index === 0 ? '---' : '---:'))), ...rows.map(line)].join('\n');
}

function sampleText(sample: Sample, index: number): string {
  const place = sample.path === '' ? `line ${sample.start_line}` : `${sample.path}:${sample.start_line}-${sample.end_line}`;
  const title = `### ${index + 1}. ${sample.kind}, ${sample.side === 'train' ? 'train' : 'held out'}: ${place}`;
  return [title, ...(sample.reason === undefined ? [] : [`Why: ${sample.reason}.`]), ...sample.messages.map(({ role, content }) => `${role}:\n\n${fenced(content)}`)].join('\n\n');
}

/** A fence longer than any in the text. */
function fenced(text: string): string {
  const longest = (text.match(/`{3,}/g) ?? []).reduce((most, run) => Math.max(most, run.length), 2);
  const fence = '`'.repeat(longest + 1);
  return `${fence}\n${text}\n${fence}`;
}
