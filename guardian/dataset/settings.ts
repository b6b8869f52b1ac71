import { minRows } from '../../core/training-file/limits.ts';

/** `plain`: lines cut by layout. `full`: parsed, several kinds of examples, cleaned; what training uses. */
export type Recipe = 'plain' | 'full';

/** All that a dataset depends on beside the commit. Sizes are in bytes of UTF-8 or characters, as named. */
export interface DatasetSettings {
  recipe: Recipe;
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
  /** The pieces into which the full recipe cuts files. */
  pieceChars: number;
  /** Share of files held out, near enough for a hash. */
  heldoutShare: number;
  /** More held-out rows cost time in each evaluation and tell little more; a seeded sample of this many is kept. */
  maxHeldoutRows: number;
  /** The same for whole files, in characters. */
  maxHeldoutFileChars: number;
  /** A dataset with fewer rows is refused: training on it learns these rows by heart, and no figure of it means much. */
  minTrainRows: number;
  minHeldoutRows: number;
  /**
   * Shares of the answers' characters that a kind may take at most; file completion, which shows every line once,
   * takes the rest. The model is judged by how well it foretells source text, so that questions, retrieval,
   * explanations and messages together are about an eighth.
   */
  functionShare: number;
  middleShare: number;
  explanationShare: number;
  questionShare: number;
  retrievalShare: number;
  commitShare: number;
  /** Of retrieval examples, the share that lacks the document with the answer, as RAFT has it. */
  noOracleShare: number;
  /** Shares of languages are raised to this power where there is more than a kind may take: small ones get more. */
  languagePower: number;
  /** The newest commits are looked at for messages. */
  maxCommits: number;
}

/** What the recipes differ in beside the kinds. */
const lengths = {
  plain: { contextChars: 700, maxAnswerChars: 1_000, pieceChars: 1_000 },
  // Only answers teach, and a row is cut at the model's length: little context, and what is asked fits in whole.
  full: { contextChars: 400, maxAnswerChars: 1_050, pieceChars: 350 },
};

export function defaultSettings(seed: bigint, recipe: Recipe = 'full'): DatasetSettings {
  return {
    recipe,
    seed,
    maxFileBytes: 512 << 10,
    maxDataFileBytes: 64 << 10,
    maxTotalBytes: 64 << 20,
    maxLineChars: 1_000,
    ...lengths[recipe],
    minAnswerChars: 40,
    heldoutShare: 0.125,
    maxHeldoutRows: 200,
    maxHeldoutFileChars: 400_000,
    minTrainRows: minRows.train,
    minHeldoutRows: minRows.heldout,
    functionShare: 0.2,
    middleShare: 0.08,
    explanationShare: 0.04,
    questionShare: 0.03,
    retrievalShare: 0.03,
    commitShare: 0.02,
    noOracleShare: 0.2,
    languagePower: 0.7,
    maxCommits: 400,
  };
}
