import { JsonScan } from './json-scan.ts';

const lineFeed = 0x0a;
const openBrace = 0x7b;
/** Characters of a line that tell what it is. */
const lineStart = 'event: response.incomplete\r'.length + 2;
const holdLimitBytes = 1024;

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
      const out = new Output();
      const scanned = object.push(chunk, 0, chunk.length, out);
      out.run(chunk, scanned, chunk.length);
      return out.bytes();
    },
    end: () => object.rest(),
  };
}

/** For a stream of server-sent events: each `data:` line holds one JSON object or `[DONE]`. Other lines pass. */
export function createEventSplicer(name: string, form: AnswerForm = 'plain'): AnswerSplicer {
  let object: ObjectSplicer | undefined;
  let line = '';
  let seen = false;

  /** One line, or the part of it that lies in this chunk. */
  const take = (chunk: Uint8Array, from: number, to: number, out: Output) => {
    let at = from;
    // Only the first bytes of a line are kept: enough to know `data:` and `[DONE]`.
    for (; at < to && object === undefined && line.length < lineStart; at++) {
      if (/^data: *$/.test(line) && chunk[at] === openBrace) object = new ObjectSplicer(name, form === 'responses' ? 'response' : undefined);
      else line += String.fromCharCode(chunk[at]!);
      if (object !== undefined) break;
    }
    out.run(chunk, from, at);
    const scanned = object?.push(chunk, at, to, out) ?? at;
    out.run(chunk, scanned, to);
  };
  const endLine = (out: Output) => {
    if (object !== undefined) out.add(object.rest());
    else if (lastLine[form].test(line)) seen = true;
    object = undefined;
    line = '';
  };

  return {
    get done() {
      return seen;
    },
    push(chunk) {
      const out = new Output();
      for (let from = 0; from < chunk.length; ) {
        const newline = chunk.indexOf(lineFeed, from);
        take(chunk, from, newline < 0 ? chunk.length : newline, out);
        if (newline < 0) break;
        endLine(out);
        out.run(chunk, newline, newline + 1);
        from = newline + 1;
      }
      return out.bytes();
    },
    end: () => object?.rest() ?? new Uint8Array(),
  };
}

/** Replaces the first `model` of one object, or of its member `inner`; what comes after it is not looked at. */
class ObjectSplicer {
  private readonly scan = new JsonScan();
  private readonly value: Buffer;
  private held: number[] | undefined;
  private isModel = false;
  private tooLong = false;
  private replaced = false;
  private readonly inner: string | undefined;
  private entered = false;

  constructor(name: string, inner?: string) {
    this.inner = inner;
    this.value = Buffer.from(JSON.stringify(name));
  }

  /** @returns up to where bytes were taken; from there on they can be copied */
  push(chunk: Uint8Array, from: number, to: number, out: Output): number {
    let at = from;
    for (; at < to && !this.replaced; at++) this.one(chunk[at]!, out);
    return at;
  }

  rest(): Uint8Array {
    const bytes = Uint8Array.from(this.held ?? []);
    this.held = undefined;
    return bytes;
  }

  private one(byte: number, out: Output): void {
    const mark = this.scan.push(byte);
    if (mark === 'key-start' || (mark === 'string-start' && this.isModel)) this.held = [];
    if (this.held === undefined) out.byte(byte);
    else this.held.push(byte);
    // No key or model name is that long: what is, is not ours to change.
    if (this.held !== undefined && this.held.length > holdLimitBytes) {
      out.add(this.rest());
      this.isModel = false;
      this.tooLong = true;
    }
    if (mark === 'key-end' && !this.tooLong) {
      const bytes = this.rest();
      const key = JSON.parse(Buffer.from(bytes).toString()) as string;
      this.isModel = key === 'model';
      if (key === this.inner && !this.entered) {
        this.entered = true;
        this.scan.enter();
      }
      out.add(bytes);
    } else if (mark === 'string-end' && this.isModel && !this.tooLong) {
      this.held = undefined;
      this.replaced = true;
      out.add(this.value);
    }
    if (mark === 'key-end' || mark === 'string-end') this.tooLong = false;
  }
}

/** What is sent on: runs of bytes as they came, and single bytes between them. */
class Output {
  private readonly parts: Uint8Array[] = [];
  private single: number[] = [];

  byte(value: number): void {
    this.single.push(value);
  }

  run(chunk: Uint8Array, from: number, to: number): void {
    if (to > from) this.add(chunk.subarray(from, to));
  }

  add(bytes: Uint8Array): void {
    this.flush();
    this.parts.push(bytes);
  }

  bytes(): Uint8Array {
    this.flush();
    return this.parts.length === 1 ? this.parts[0]! : Buffer.concat(this.parts);
  }

  private flush(): void {
    if (this.single.length === 0) return;
    this.parts.push(Buffer.from(this.single));
    this.single = [];
  }
}
