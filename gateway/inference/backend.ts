import type { CancelSignal } from './cancel.ts';

/** A model as a backend has it. */
export interface BackendModel {
  name: string;
  /** Bytes of its files; absent where the backend does not tell. */
  size?: number;
  modifiedAt: Date;
  /** The backend's own digest of the model, where it has one. */
  digest?: string;
}

/** A backend's HTTP answer, not yet read: whoever gets it must read `body` to its end or abort. */
export interface BackendResponse {
  status: number;
  /** Names in lower case. */
  headers: Record<string, string>;
  /** Throws ForgeError `unavailable` when the backend dies while it is read. */
  body: AsyncIterable<Uint8Array>;
}

/** What `export` made: a folder with `model.gguf` and `export.json`. */
export interface ExportedModel {
  dir: string;
  /** Lower-case hex SHA-256 of model.gguf. */
  ggufDigest: string;
}

/** What is sent to a backend by POST, below its `/v1/`. */
export type OpenAiEndpoint = 'chat/completions' | 'completions' | 'embeddings' | 'responses';

export type BackendKind = 'ollama' | 'embedded' | 'upstream';

/** The port that everything which generates text goes through. All backends speak OpenAI's HTTP. */
export interface InferenceBackend {
  readonly kind: BackendKind;
  /** Whether it answers now; never throws, and takes at most 800 ms. */
  available(signal: AbortSignal): Promise<boolean>;
  /** @throws ForgeError unavailable */
  models(signal: AbortSignal): Promise<BackendModel[]>;
  /**
   * Creates a model under `name` from an export; the same export again changes nothing.
   * Returns only after the backend's prompts were found equal to the trainer's.
   * @returns the backend's own digest of the model
   * @throws ForgeError unavailable, wrong_state (prompts differ), unimplemented
   */
  create(name: string, exported: ExportedModel, signal: AbortSignal): Promise<{ digest: string }>;
  /** Removing what is not there is no error. @throws ForgeError unavailable, unimplemented */
  remove(name: string): Promise<void>;
  /**
   * Sends a request of OpenAI's, whose `model` is the backend's own name.
   * Aborting `signal` stops the generation.
   * @throws ForgeError unavailable, cancelled, unimplemented (the backend has no such endpoint)
   */
  send(endpoint: OpenAiEndpoint, body: Uint8Array, signal: CancelSignal): Promise<BackendResponse>;
  /** Ends what it runs; memoized. */
  stop(): Promise<void>;
}
