/** All that a dataset depends on beside the commit. Sizes are in bytes of UTF-8 or characters, as named. */
export interface DatasetSettings {
  seed: bigint;
  /** Larger files are left out. */
  maxFileBytes: number;
  /** The same for formats that hold data rather than code. */
  maxDataFileBytes: number;
  /** All files together; beyond it a seeded sample is taken. */
  maxTotalBytes: number;
  /** A file with a longer line is taken for minified. */
  maxLineChars: number;
  /** What is shown of a file before the place to go on from. */
  contextChars: number;
  /** Length of an answer. With context and template it makes about 500 to 900 tokens of a small vocabulary. */
  minAnswerChars: number;
  maxAnswerChars: number;
  /** Share of files held out, near enough for a hash. */
  heldoutShare: number;
  /** More held-out rows cost time in each evaluation and tell little more; a seeded sample of this many is kept. */
  maxHeldoutRows: number;
}

export function defaultSettings(seed: bigint): DatasetSettings {
  return {
    seed,
    maxFileBytes: 512 << 10,
    maxDataFileBytes: 64 << 10,
    maxTotalBytes: 64 << 20,
    maxLineChars: 1_000,
    contextChars: 700,
    minAnswerChars: 40,
    maxAnswerChars: 1_000,
    heldoutShare: 0.125,
    maxHeldoutRows: 200,
  };
}
