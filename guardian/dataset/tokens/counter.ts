import { Tokenizer } from '@huggingface/tokenizers';
import { createPieceCutter } from './piece-cutter.ts';

/** Contents of a model's tokenizer.json and tokenizer_config.json. */
export interface TokenizerFiles {
  tokenizerJson: unknown;
  tokenizerConfig: unknown;
}

/** Counts the tokens of a text, without those that a model puts before and after. */
export type TokenCounter = (text: string) => number;

/** What decides how a text can be taken apart. */
interface TokenizerJson {
  pre_tokenizer: { type: string; replacement?: string; prepend_scheme?: string; split?: boolean } | null;
  added_tokens?: { content: string }[];
  model: { type: string; vocab: Record<string, number> };
}

const maxCachedPieces = 200_000;
const maxCachedChars = 64;

/**
 * Pieces that the model encodes each for itself come again and again in code, so their counts are kept: the library
 * alone takes seconds a MB. Texts with added tokens in them (markers of a chat template) go through it whole.
 * @throws Error when the files are none of a tokenizer that is known here
 */
export function createTokenCounter(files: TokenizerFiles): TokenCounter {
  const json = files.tokenizerJson as TokenizerJson;
  const config = files.tokenizerConfig as { remove_space?: boolean; do_lowercase_and_remove_accent?: boolean };
  const tokenizer = new Tokenizer(json, config);
  const { model, normalizer } = tokenizer;
  const whole: TokenCounter = (text) => tokenizer.encode(text, { add_special_tokens: false }).ids.length;
  if (model === null || config.remove_space === true || config.do_lowercase_and_remove_accent === true) return whole;
  const split = splitter(json, tokenizer);
  const marks = (json.added_tokens ?? []).map(({ content }) => content);
  const isMarked = (text: string): boolean => marks.some((mark) => text.includes(mark));
  const countPiece = cached((piece) => model._call([piece]).length);
  return (text) => {
    if (text === '') return 0;
    if (isMarked(text)) return whole(text);
    const normal = normalizer === null ? text : normalizer._call(text);
    if (normal !== text && isMarked(normal)) return whole(text);
    let count = 0;
    split(normal, (piece) => void (count += countPiece(piece)));
    return count;
  };
}

type Splitter = (text: string, take: (piece: string) => void) => void;

/** The tokenizer's own way; but a SentencePiece BPE takes all of a text for one word, which is cut where that is safe. */
function splitter({ pre_tokenizer: own, model }: TokenizerJson, tokenizer: Tokenizer): Splitter {
  if (own?.type === 'Metaspace' && own.split === false && own.prepend_scheme === 'never' && model.type === 'BPE') {
    const cut = createPieceCutter(Object.keys(model.vocab));
    return (text, take) => cut(text.replaceAll(' ', own.replacement ?? '▁'), take);
  }
  const pre = tokenizer.pre_tokenizer;
  return (text, take) => {
    if (pre === null) take(text);
    else for (const piece of pre._call(text, { section_index: 0 })) take(piece);
  };
}

function cached(count: TokenCounter): TokenCounter {
  const known = new Map<string, number>();
  return (piece) => {
    const before = known.get(piece);
    if (before !== undefined) return before;
    const made = count(piece);
    if (known.size >= maxCachedPieces) known.clear();
    if (piece.length <= maxCachedChars) known.set(piece, made);
    return made;
  };
}
