import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';
import type { TokenizerFiles } from './counter.ts';

/** Of a SentencePiece model (sentencepiece_model.proto), what its BPE needs. */
interface Pieces {
  /** In the order of their ids. */
  pieces: string[];
  bpe: boolean;
  byteFallback: boolean;
  normalized: boolean;
}

/**
 * Turns the starter's tokenizer.model into the form of tokenizer.json, as transformers does when it loads one: every
 * way to put a piece together from two others is a merge, in the order of the pieces, the shortest left part first.
 * @returns undefined for models of another kind: only BPE without normalization and without a prefix is known here
 */
export function fromSentencePiece(model: Uint8Array, config: Record<string, unknown>): TokenizerFiles | undefined {
  const { pieces, bpe, byteFallback, normalized } = readModel(model);
  if (!bpe || normalized || config['add_prefix_space'] !== false || config['legacy'] !== false) return undefined;
  const vocab = new Map(pieces.map((piece, id) => [piece, id]));
  const added = Object.entries((config['added_tokens_decoder'] ?? {}) as Record<string, object>).map(([id, token]) => ({ id: Number(id), ...token }));
  const tokenizerJson = {
    version: '1.0',
    added_tokens: added,
    normalizer: null,
    pre_tokenizer: { type: 'Metaspace', replacement: '▁', prepend_scheme: 'never', split: false },
    post_processor: null,
    decoder: null,
    model: { type: 'BPE', dropout: null, unk_token: null, fuse_unk: true, byte_fallback: byteFallback, ignore_merges: false, vocab: Object.fromEntries(vocab), merges: merges(pieces, vocab) },
  };
  return { tokenizerJson, tokenizerConfig: config };
}

function merges(pieces: readonly string[], vocab: ReadonlyMap<string, number>): [string, string][] {
  return pieces.flatMap((piece) => {
    const characters = [...piece];
    const ways = characters.slice(1).map((_, at): [string, string] => [characters.slice(0, at + 1).join(''), characters.slice(at + 1).join('')]);
    return ways.filter(([left, right]) => vocab.has(left) && vocab.has(right));
  });
}

/** Fields of ModelProto: pieces 1, trainer_spec 2 (model_type 3, byte_fallback 35), normalizer_spec 3. */
function readModel(bytes: Uint8Array): Pieces {
  const result: Pieces = { pieces: [], bpe: false, byteFallback: false, normalized: false };
  const normalizer = { map: 0, prefix: true, squeezed: true };
  fields(bytes, {
    1: (reader) => {
      let piece = '';
      fields(reader.bytes(), { 1: (inner) => void (piece = inner.string()) });
      result.pieces.push(piece);
    },
    2: (reader) => fields(reader.bytes(), { 3: (inner) => void (result.bpe = inner.int32() === 2), 35: (inner) => void (result.byteFallback = inner.bool()) }),
    3: (reader) =>
      fields(reader.bytes(), {
        2: (inner) => void (normalizer.map = inner.bytes().length),
        3: (inner) => void (normalizer.prefix = inner.bool()),
        4: (inner) => void (normalizer.squeezed = inner.bool()),
      }),
  });
  result.normalized = normalizer.map > 0 || normalizer.prefix || normalizer.squeezed;
  return result;
}

function fields(bytes: Uint8Array, read: Record<number, (reader: BinaryReader) => void>): void {
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [number, wireType]: [number, WireType] = reader.tag();
    const take = read[number];
    if (take === undefined) reader.skip(wireType);
    else take(reader);
  }
}
