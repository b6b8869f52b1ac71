import { createHash } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { randomNumbers } from '../../core/random-numbers.ts';
import type { ExportedModel } from '../../gateway/inference/backend.ts';
import type { GgufTensor, GgufValue } from './tiny-gguf.ts';
import { writeGguf } from './tiny-gguf.ts';

/**
 * A Llama of random weights in a real GGUF: every engine loads it in a moment and generates printable ASCII for as long
 * as it is let (its end token is never among the 40 likeliest). One token a character, so that tokens can be counted by hand.
 */
const width = 64;
const feedForward = 128;
const layers = 2;
const special = ['<unk>', '<s>', '</s>', '<|im_start|>', '<|im_end|>'];
const firstByte = special.length;
const firstCharacter = firstByte + 256;
const characters = ['▁', ...Array.from({ length: 0x7f - 0x21 }, (_, i) => String.fromCharCode(0x21 + i))];
const plainTokens = [...special, ...Array.from({ length: 256 }, (_, i) => `<0x${i.toString(16).toUpperCase().padStart(2, '0')}>`), ...characters];

/** They come last, so that no other token has another id. */
const middleMarks = ['<|fim_prefix|>', '<|fim_suffix|>', '<|fim_middle|>'];
export const middleMarkIds = middleMarks.map((_, i) => plainTokens.length + i);

export const chatml = `{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}`;

/** ChatML written by hand, so that no template engine is its own judge. */
export function chatmlText(messages: readonly { role: string; content: string }[]): string {
  return `${messages.map(({ role, content }) => `<|im_start|>${role}\n${content}<|im_end|>\n`).join('')}<|im_start|>assistant\n`;
}

/** Tokens by hand: the marks, ASCII characters, and bytes for all else. */
export function tokenIds(text: string): number[] {
  const pieces = text.split(/(<unk>|<s>|<\/s>|<\|im_start\|>|<\|im_end\|>)/);
  return pieces.flatMap((piece) => (special.includes(piece) ? [special.indexOf(piece)] : [...piece].flatMap(characterIds)));
}

function characterIds(character: string): number[] {
  const at = characters.indexOf(character === ' ' ? '▁' : character);
  return at >= 0 ? [firstCharacter + at] : [...Buffer.from(character)].map((byte) => firstByte + byte);
}

const conversations = [
  [{ role: 'user', content: 'Hello!' }],
  [{ role: 'system', content: 'Answer briefly.' }, { role: 'user', content: 'What is é in UTF-8? 🙂' }],
  [{ role: 'system', content: 'You know this code.' }, { role: 'user', content: 'Explain:\n\n\tif (a < b) {\n  }' }, { role: 'assistant', content: 'It  compares.' }, { role: 'user', content: 'And "{{ .Role }}"?\\' }],
];

export interface TinyOptions {
  seed?: number;
  chatTemplate?: string;
  contextLength?: number;
  /** The trainer's text of a conversation. */
  rendered?: (messages: readonly { role: string; content: string }[]) => string;
  addBos?: boolean;
  /** It can't tell one token from another, and so says the same one for ever. */
  stuck?: boolean;
  /** It has the marks of a model that fills in the middle. */
  fillsMiddle?: boolean;
}

/** Writes `model.gguf` and `export.json` as the trainer's export has them. */
export async function writeTinyExport(dir: string, options: TinyOptions = {}): Promise<ExportedModel> {
  const { chatTemplate = chatml, rendered = chatmlText, contextLength = 32_768 } = options;
  const tokens = options.fillsMiddle === true ? [...plainTokens, ...middleMarks] : plainTokens;
  const gguf = writeGguf(metadata(tokens, chatTemplate, contextLength, options.addBos ?? false), tensors(tokens, options.seed ?? 1, options.stuck ?? false));
  const renderings = conversations.map((messages) => ({ messages, add_generation_prompt: true, text: rendered(messages), token_ids: tokenIds(rendered(messages)) }));
  await mkdir(dir, { recursive: true });
  await writeFile(join(dir, 'model.gguf'), gguf);
  await writeFile(join(dir, 'export.json'), JSON.stringify({ chat_template: chatTemplate, bos_token: '<s>', eos_token: '<|im_end|>', stop_tokens: ['<|im_end|>'], context_length: contextLength, renderings }));
  return { dir, ggufDigest: createHash('sha256').update(gguf).digest('hex') };
}

function metadata(tokens: readonly string[], chatTemplate: string, contextLength: number, addBos: boolean): Record<string, GgufValue> {
  return {
    'general.architecture': 'llama',
    'general.name': 'tiny',
    'general.file_type': 0,
    'llama.context_length': contextLength,
    'llama.embedding_length': width,
    'llama.block_count': layers,
    'llama.feed_forward_length': feedForward,
    'llama.attention.head_count': 4,
    'llama.attention.head_count_kv': 4,
    'llama.attention.layer_norm_rms_epsilon': { float: 1e-5 },
    'llama.rope.dimension_count': width / 4,
    'llama.vocab_size': tokens.length,
    'tokenizer.ggml.model': 'llama',
    'tokenizer.ggml.tokens': { strings: [...tokens] },
    'tokenizer.ggml.scores': { floats: tokens.map((_, id) => -id) },
    // 2 unknown, 3 control, 6 byte, 1 normal
    'tokenizer.ggml.token_type': { integers: tokens.map((_, id) => (id === 0 ? 2 : id < firstByte || middleMarkIds.includes(id) ? 3 : id < firstCharacter ? 6 : 1)) },
    'tokenizer.ggml.bos_token_id': 1,
    'tokenizer.ggml.eos_token_id': 4,
    'tokenizer.ggml.unknown_token_id': 0,
    'tokenizer.ggml.add_bos_token': addBos,
    'tokenizer.ggml.add_space_prefix': false,
    'tokenizer.chat_template': chatTemplate,
    ...Object.fromEntries(['pre', 'suf', 'mid'].filter(() => tokens.length > plainTokens.length).map((mark, i) => [`tokenizer.ggml.fim_${mark}_token_id`, middleMarkIds[i]!])),
  };
}

function tensors(tokens: readonly string[], seed: number, stuck: boolean): GgufTensor[] {
  const random = randomNumbers(seed);
  const matrix = (name: string, columns: number, rows: number): GgufTensor => ({ name, shape: [columns, rows], data: Float32Array.from({ length: columns * rows }, () => (random() * 2 - 1) * Math.sqrt(3 / columns)) });
  const ones = (name: string): GgufTensor => ({ name, shape: [width], data: new Float32Array(width).fill(1) });
  const output = matrix('output.weight', width, tokens.length);
  // The logits of all but characters are 0, and about half of the characters are above that: top_k 40 leaves nothing else.
  output.data.fill(0, 0, firstCharacter * width);
  for (let i = firstCharacter * width; i < output.data.length; i++) output.data[i]! *= 2;
  output.data.fill(0, plainTokens.length * width);
  const embedding = matrix('token_embd.weight', width, tokens.length);
  if (stuck) for (let i = width; i < embedding.data.length; i++) embedding.data[i] = embedding.data[i % width]!;
  return [
    embedding,
    ...Array.from({ length: layers }, (_, i) => [
      ones(`blk.${i}.attn_norm.weight`),
      ...['attn_q', 'attn_k', 'attn_v', 'attn_output'].map((part) => matrix(`blk.${i}.${part}.weight`, width, width)),
      ones(`blk.${i}.ffn_norm.weight`),
      matrix(`blk.${i}.ffn_gate.weight`, width, feedForward),
      matrix(`blk.${i}.ffn_up.weight`, width, feedForward),
      matrix(`blk.${i}.ffn_down.weight`, feedForward, width),
    ]).flat(),
    ones('output_norm.weight'),
    output,
  ];
}
