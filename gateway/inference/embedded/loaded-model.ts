import type { Llama, LlamaContext, LlamaContextSequence, LlamaModel, Token } from 'node-llama-cpp';
import { ForgeError } from '../../../core/errors.ts';
import type { ChatTemplate } from '../chat-template.ts';
import { exportedTemplate } from '../chat-template.ts';
import type { TemplateMessage } from '../export-record.ts';
import { checkParity } from '../parity.ts';
import { isSmall } from '../small-model.ts';
import { contextShape, embeddingShape } from './context-shape.ts';
import { Embedder } from './embedder.ts';
import type { StoredModel } from './model-store.ts';
import { Pace } from './prompt-reading.ts';
import { Slots } from './slots.ts';

export interface LoadLimits {
  /** Requests that generate at once; each has a context of its own. */
  slots: number;
  /** Tokens of one context, prompt and answer together. */
  contextTokens: number;
  /** Requests that may wait for a slot. */
  queue: number;
}

/** A model in memory, with its contexts. */
export interface LoadedModel {
  readonly model: LlamaModel;
  readonly slots: Slots<LlamaContextSequence>;
  readonly contextTokens: number;
  readonly vocabularySize: number;
  readonly embedder: Embedder;
  readonly pace: Pace;
  /** Tokens that end a turn besides the model's own end token. */
  readonly stopTokens: ReadonlySet<Token>;
  /** Stop marks that are not one token each. */
  readonly stopTexts: readonly string[];
  render(messages: readonly TemplateMessage[], addGenerationPrompt: boolean): { text: string; tokens: Token[] };
  tokenize(text: string, specialTokens: boolean): Token[];
  dispose(): Promise<void>;
}

/** Loads a GGUF and compares its prompts with the trainer's. @throws ForgeError wrong_state when they differ */
export async function loadModel(llama: Llama, path: string, size: number, stored: StoredModel, limits: LoadLimits): Promise<LoadedModel> {
  const model = await llama.loadModel({ modelPath: path });
  let context: LlamaContext | undefined;
  try {
    const template = ownTemplate(model, stored);
    const render = (messages: readonly TemplateMessage[], addGenerationPrompt: boolean) => {
      const text = template.render(messages, addGenerationPrompt);
      return { text, tokens: model.tokenize(text, true) };
    };
    await checkParity(stored.name, stored.record.renderings, async (expected) => {
      const { text, tokens } = render(expected.messages, expected.add_generation_prompt);
      return { text, tokenIds: tokens };
    });
    const shape = contextShape(limits, model.trainContextSize);
    const threads = isSmall(size) ? { threads: 1 } : {};
    context = await model.createContext({ sequences: shape.sequences, contextSize: { max: shape.contextSize }, ...threads });
    const made = context;
    // llama.cpp rounds a context up, and makes it smaller where memory is short.
    const contextTokens = Math.min(shape.contextSize, made.contextSize);
    const sequences = Array.from({ length: limits.slots }, () => made.getSequence());
    const stops = stored.record.stop_tokens.map((text) => ({ text, tokens: model.tokenize(text, true) }));
    return {
      model,
      slots: new Slots(sequences, limits.queue),
      contextTokens,
      vocabularySize: model.fileInfo.metadata.tokenizer.ggml.tokens.length,
      embedder: new Embedder(model, { ...embeddingShape({ ...limits, contextTokens }, model.trainContextSize, model.fileInfo), ...threads }, limits.queue),
      stopTokens: new Set(stops.filter((stop) => stop.tokens.length === 1).map((stop) => stop.tokens[0]!)),
      stopTexts: stops.filter((stop) => stop.tokens.length !== 1).map((stop) => stop.text),
      pace: new Pace(),
      render,
      tokenize: (text, specialTokens) => model.tokenize(text, specialTokens),
      dispose: () => model.dispose(),
    };
  } catch (error) {
    await context?.dispose();
    await model.dispose();
    throw error;
  }
}

/** The GGUF's template, not the record's: what is served is what the file says. */
function ownTemplate(model: LlamaModel, stored: StoredModel): ChatTemplate {
  const source = model.fileInfo.metadata.tokenizer?.chat_template;
  if (typeof source !== 'string') throw new ForgeError('wrong_state', `${stored.name}: the GGUF holds no chat template; export the model again`);
  return exportedTemplate(stored.record, source);
}
