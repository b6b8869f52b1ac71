import { isKey, JsonScan } from './json-scan.ts';
import { SplicedChunk } from './spliced-chunk.ts';

const lineFeed = 0x0a, openBrace = 0x7b, openBracket = 0x5b, quote = 0x22, backslash = 0x5c;
/** Characters of a line that tell what it is. */
const lineStart = 'event: response.incomplete\r'.length + 2;
const holdLimitBytes = 1024;
const objectLine = Buffer.from('data: {');
const modelKey = Buffer.from('"model":"');

/**
 * How an answer is built. Of `plain` ones (chat, completions, embeddings) the model is outermost, and a stream ends with
 * `[DONE]`. Of `responses` it may stand in the member `response` too, and the last event's name says that it is the last
 * (https://platform.openai.com/docs/api-reference/responses-streaming).
 */
export type AnswerForm = 'plain' | 'responses';

const lastLine: Readonly<Record<AnswerForm, RegExp>> = {
  plain: /^data: *\[DONE\]\s*$/,
  responses: /^(?:data: *\[DONE\]|event: *(?:response\.(?:completed|incomplete|failed)|error))\s*$/,
};

/** Replaces `model` in answers as they stream through, chunk by chunk. */
export interface AnswerSplicer {
  /** @returns what can be sent on; at most a key or a model's name is held back */
  push(chunk: Uint8Array): Uint8Array;
  /** What was held back when the answer ended. */
  end(): Uint8Array;
  /** Event streams only: whether what a whole stream ends with was seen. */
  readonly done: boolean;
}

/** For an answer that is one JSON object. */
export function createJsonSplicer(name: string): AnswerSplicer {
  const object = new ObjectSplicer(name);
  return {
    done: false,
    push(chunk) {
      const out = new SplicedChunk(chunk);
      object.push(chunk, 0, chunk.length, out);
      return out.bytes();
    },
    end: () => object.rest(),
  };
}

/** For a stream of server-sent events: each `data:` line holds one JSON object or `[DONE]`. Other lines pass. */
export function createEventSplicer(name: string, form: AnswerForm = 'plain'): AnswerSplicer {
  // The events of responses may have their model further in, which only the exact scan finds.
  const wholeLines = form === 'plain' ? new WholeLineSplicer(name) : undefined;
  let object: ObjectSplicer | undefined;
  let line = '';
  let seen = false;

  /** One line, or the part of it that lies in this chunk. */
  const take = (chunk: Uint8Array, from: number, to: number, out: SplicedChunk) => {
    let at = from;
    // Only the first bytes of a line are kept: enough to know `data:` and `[DONE]`.
    for (; at < to && object === undefined && line.length < lineStart; at++) {
      if (chunk[at] === openBrace && /^data: *$/.test(line)) {
        object = new ObjectSplicer(name, form === 'responses' ? 'response' : undefined);
        break;
      }
      line += String.fromCharCode(chunk[at]!);
    }
    object?.push(chunk, at, to, out);
  };
  const endLine = (at: number, out: SplicedChunk) => {
    if (object !== undefined) out.replace(at, at, object.rest());
    else if (lastLine[form].test(line)) seen = true;
    object = undefined;
    line = '';
  };

  return {
    get done() {
      return seen;
    },
    push(chunk) {
      const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length);
      const out = new SplicedChunk(chunk);
      for (let from = 0; from < bytes.length; ) {
        const newline = bytes.indexOf(lineFeed, from);
        const isWhole = newline >= 0 && object === undefined && line === '';
        if (!isWhole || wholeLines?.take(bytes, from, newline, out) !== true) {
          take(bytes, from, newline < 0 ? bytes.length : newline, out);
          if (newline < 0) break;
          endLine(newline, out);
        }
        from = newline + 1;
      }
      return out.bytes();
    },
    end: () => object?.rest() ?? new Uint8Array(),
  };
}

/**
 * The short way for the lines of which streams are made: `data: {` and an object that lies whole in the chunk, with its model
 * among plain members at its start. All other lines are left to the exact scan, which would do the same.
 */
class WholeLineSplicer {
  readonly #value: Buffer;
  /** A line from its start to the end of its model's name. What begins with the same bytes has its model in the same place. */
  #start: Buffer = Buffer.alloc(0);
  #valueAt = 0;

  constructor(name: string) {
    this.#value = Buffer.from(JSON.stringify(name));
  }

  /** @returns whether the line was taken */
  take(bytes: Buffer, from: number, to: number, out: SplicedChunk): boolean {
    if (to === from) return true;
    if (!this.#startsTheSame(bytes, from, to) && !this.#find(bytes, from, to)) return false;
    out.replace(from + this.#valueAt, from + this.#start.length, this.#value);
    return true;
  }

  #startsTheSame(bytes: Buffer, from: number, to: number): boolean {
    const { length } = this.#start;
    return length > 0 && to - from > length && bytes.compare(this.#start, 0, length, from, from + length) === 0;
  }

  #find(bytes: Buffer, from: number, to: number): boolean {
    if (to - from <= objectLine.length || bytes.compare(objectLine, 0, objectLine.length, from, from + objectLine.length) !== 0) return false;
    const key = bytes.indexOf(modelKey, from);
    if (key < 0 || key >= to) return false;
    // Without nesting and escapes before it, an even number of quotes means that this one opens a string of the outermost
    // object, and a colon after it that this is a key; and what stands before is not the same key written otherwise.
    let quotes = 0;
    for (let at = from + objectLine.length; at < key; at++) {
      const byte = bytes[at];
      if (byte === openBrace || byte === openBracket || byte === backslash) return false;
      if (byte === quote) quotes++;
    }
    if (quotes % 2 !== 0 || bytes.subarray(from, key).includes('"model"')) return false;
    const value = key + modelKey.length - 1;
    const end = bytes.indexOf(quote, value + 1);
    if (end < 0 || end >= to || end - value > holdLimitBytes - 2 || bytes.subarray(value, end).includes(backslash)) return false;
    this.#start = Buffer.from(bytes.subarray(from, end + 1));
    this.#valueAt = value - from;
    return true;
  }
}

/** Replaces the first `model` of one object, or of its member `inner`; what comes after it is not looked at. */
class ObjectSplicer {
  private readonly scan = new JsonScan();
  private readonly value: Buffer;
  /** The beginning, from earlier chunks, of a key or of the model's name. */
  private held: Buffer | undefined;
  private isModel = false;
  private tooLong = false;
  private replaced = false;
  private readonly inner: string | undefined;
  private entered = false;

  constructor(name: string, inner?: string) {
    this.inner = inner;
    this.value = Buffer.from(JSON.stringify(name));
  }

  push(chunk: Uint8Array, from: number, to: number, out: SplicedChunk): void {
    /** Where the key or name begins that is being read; -1: none. */
    let start = this.held === undefined ? -1 : from;
    const release = (): void => {
      if (this.held !== undefined) out.replace(start, start, this.held);
      this.held = undefined;
      start = -1;
    };
    for (let at = from; at < to && !this.replaced; at++) {
      const mark = this.scan.push(chunk[at]!);
      if (mark === 'key-start' || (mark === 'string-start' && this.isModel)) start = at;
      // No key or model name is that long: what is, is not ours to change.
      if (start >= 0 && (this.held?.length ?? 0) + at + 1 - start > holdLimitBytes) {
        release();
        this.isModel = false;
        this.tooLong = true;
      }
      if (mark === 'key-end' && !this.tooLong) {
        const key = this.withHeld(chunk.subarray(start, at + 1));
        this.isModel = isKey(key, 'model');
        if (this.inner !== undefined && !this.entered && isKey(key, this.inner)) {
          this.entered = true;
          this.scan.enter();
        }
        release();
      } else if (mark === 'string-end' && this.isModel && !this.tooLong) {
        out.replace(start, at + 1, this.value);
        this.held = undefined;
        this.replaced = true;
        start = -1;
      }
      if (mark === 'key-end' || mark === 'string-end') this.tooLong = false;
    }
    if (start < 0) return;
    this.held = this.withHeld(chunk.subarray(start, to));
    out.replace(start, to, new Uint8Array());
  }

  rest(): Uint8Array {
    const bytes = this.held ?? new Uint8Array();
    this.held = undefined;
    return bytes;
  }

  private withHeld(bytes: Uint8Array): Buffer {
    return Buffer.concat(this.held === undefined ? [bytes] : [this.held, bytes]);
  }
}
