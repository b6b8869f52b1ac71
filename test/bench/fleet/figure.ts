/** One row: what was measured, beside what, and what was aimed at. */
export interface Figure {
  what: string;
  measured: string;
  /** What it was measured beside, in the same run. */
  reference?: string;
  aim?: string;
  /** Undefined where nothing was aimed at. */
  met?: boolean;
}

/** The smallest value that at least this share of all is not above (nearest rank). @param share 0 to 1 */
export function percentile(values: readonly number[], share: number): number {
  const sorted = Float64Array.from(values).sort();
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? NaN;
}

export function shownMs(ms: number): string {
  return `${ms < 10 ? ms.toFixed(2) : ms < 100 ? ms.toFixed(1) : Math.round(ms).toLocaleString('en')} ms`;
}

export function printHead(): void {
  console.log('| what | measured | reference | aim | |\n|---|---|---|---|---|');
}

export function print({ what, measured, reference = '', aim = '', met }: Figure): void {
  console.log(`| ${what} | ${measured} | ${reference} | ${aim} | ${met === undefined ? '' : met ? 'met' : 'missed'} |`);
}
