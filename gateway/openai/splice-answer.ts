import { JsonScan } from './json-scan.ts';

const newline = 0x0a;
const carriageReturn = 0x0d;
const done = '[DONE]';
const holdLimitBytes = 1024;

/** Replaces the outermost `model` in answers as they stream through, chunk by chunk. */
export interface AnswerSplicer {
  /** @returns what can be sent on; at most a key or a model's name is held back */
  push(chunk: Uint8Array): Uint8Array;
  /** What was held back when the answer ended. */
  end(): Uint8Array;
  /** Event streams only: whether `[DONE]` was seen. */
  readonly done: boolean;
}

/** For an answer that is one JSON object. */
export function createJsonSplicer(name: string): AnswerSplicer {
  const object = new ObjectSplicer(name);
  return {
    done: false,
    push(chunk) {
      const out = new Output();
      for (const byte of chunk) object.push(byte, out);
      return out.bytes();
    },
    end: () => object.rest(),
  };
}

/** For a stream of server-sent events: each `data:` line holds one JSON object or `[DONE]`. */
export function createEventSplicer(name: string): AnswerSplicer {
  let object: ObjectSplicer | undefined;
  let line = '';
  let seen = false;
  return {
    get done() {
      return seen;
    },
    push(chunk) {
      const out = new Output();
      for (const byte of chunk) {
        if (byte === newline || byte === carriageReturn) {
          if (object !== undefined) out.add(object.rest());
          if (object === undefined && /^data: *\[DONE\]\s*$/.test(line)) seen = true;
          object = undefined;
          line = '';
          out.byte(byte);
          continue;
        }
        // Only the first bytes of a line are kept: enough to know `data:` and `[DONE]`.
        if (object === undefined && line.length < 'data: '.length + done.length + 2) line += String.fromCharCode(byte);
        if (object === undefined && /^data: *\{$/.test(line)) object = new ObjectSplicer(name);
        if (object === undefined) out.byte(byte);
        else object.push(byte, out);
      }
      return out.bytes();
    },
    end: () => object?.rest() ?? new Uint8Array(),
  };
}

class ObjectSplicer {
  private readonly scan = new JsonScan();
  private readonly value: Buffer;
  private held: number[] | undefined;
  private isModel = false;
  private tooLong = false;

  constructor(name: string) {
    this.value = Buffer.from(JSON.stringify(name));
  }

  push(byte: number, out: Output): void {
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
    if (mark === 'key-end' && this.tooLong) this.tooLong = false;
    else if (mark === 'key-end') {
      const key = this.rest();
      this.isModel = JSON.parse(Buffer.from(key).toString()) === 'model';
      out.add(key);
    } else if (mark === 'string-end') {
      if (this.isModel && !this.tooLong) {
        this.held = undefined;
        out.add(this.value);
      }
      this.tooLong = false;
    }
  }

  rest(): Uint8Array {
    const bytes = Uint8Array.from(this.held ?? []);
    this.held = undefined;
    return bytes;
  }
}

class Output {
  private readonly list: number[] = [];
  byte(value: number): void {
    this.list.push(value);
  }
  add(bytes: Uint8Array): void {
    for (const byte of bytes) this.list.push(byte);
  }
  bytes(): Uint8Array {
    return Uint8Array.from(this.list);
  }
}
