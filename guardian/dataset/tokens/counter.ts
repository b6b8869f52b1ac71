import { Tokenizer } from '@huggingface/tokenizers';
import { createPieceCutter } from './piece-cutter.ts';

/** Contents of a model's tokenizer.json and tokenizer_config.json. */
export interface TokenizerFiles {
  tokenizerJson: unknown;
  tokenizerConfig: unknown;
}

/** Counts the tokens of a text, without those that a model puts before and after. */
export type TokenCounter = (text: string) => number;

const maxCachedPieces = 200_000;
const maxCachedChars = 64;

/** @throws Error when the files are none of a tokenizer that is known here */
export function createTokenCounter(files: TokenizerFiles): TokenCounter {
  const tokenizer = new Tokenizer(files.tokenizerJson as object, files.tokenizerConfig as object);
  const whole: TokenCounter = (text) => tokenizer.encode(text, { add_special_tokens: false }).ids.length;
  return piecewise(files.tokenizerJson as TokenizerJson, tokenizer, whole) ?? whole;
}

/** What decides whether a text can be cut. */
interface TokenizerJson {
  normalizer: unknown;
  pre_tokenizer: { type: string; replacement?: string; prepend_scheme?: string; split?: boolean } | null;
  added_tokens?: { content: string }[];
  model: { type: string; vocab: Record<string, number>; merges?: unknown; ignore_merges?: boolean };
}

/**
 * A SentencePiece BPE takes all of a text for one word: measured, 2 s a MB. Cut where no merge can cross, words come
 * again and again and their counts are kept.
 * @returns undefined for other tokenizers
 */
function piecewise({ normalizer, pre_tokenizer: split, added_tokens: added = [], model }: TokenizerJson, tokenizer: Tokenizer, whole: TokenCounter): TokenCounter | undefined {
  if (normalizer !== null || split?.type !== 'Metaspace' || split.split !== false || split.prepend_scheme !== 'never' || model.type !== 'BPE' || tokenizer.model === null) return undefined;
  const bpe = tokenizer.model;
  const marks = added.map(({ content }) => content);
  const cut = createPieceCutter(Object.keys(model.vocab));
  const known = new Map<string, number>();
  const countPiece = (piece: string): number => {
    const count = known.get(piece);
    if (count !== undefined) return count;
    const made = bpe.encode([piece]).length;
    if (known.size >= maxCachedPieces) known.clear();
    if (piece.length <= maxCachedChars) known.set(piece, made);
    return made;
  };
  return (text) => {
    if (marks.some((mark) => text.includes(mark))) return whole(text);
    let count = 0;
    cut(text.replaceAll(' ', split.replacement ?? '▁'), (piece) => void (count += countPiece(piece)));
    return count;
  };
}
