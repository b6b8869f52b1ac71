/** A parsed JSON value. Whole numbers are exact; objects have no prototype, so no key is special. */
export type Json = null | boolean | string | number | bigint | Json[] | JsonObject;
export interface JsonObject {
  [key: string]: Json;
}

/** Deeper nesting than any message of ours has. */
const maxDepth = 32;

/** Says what is wrong and where; `field` holds the path for duplicate keys. */
export class JsonSyntaxError extends Error {}

const whitespace = /[ \t\n\r]*/y;
const plainText = /[^"\\\u0000-\u001f]*/y;
const numberToken = /-?(?:0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?/y;
const escapes: Readonly<Record<string, string>> = { '"': '"', '\\': '\\', '/': '/', b: '\b', f: '\f', n: '\n', r: '\r', t: '\t' };

/**
 * Parses JSON (RFC 8259) more strictly than `JSON.parse`: a repeated key, a lone surrogate and deep nesting
 * are errors, and whole numbers come as bigint, so that 64-bit integers stay exact.
 * @throws JsonSyntaxError
 */
export function parseJson(text: string): Json {
  const parser = new Parser(text);
  return parser.document();
}

class Parser {
  private at = 0;
  private readonly text: string;

  constructor(text: string) {
    this.text = text;
  }

  document(): Json {
    const value = this.value(0);
    this.space();
    if (this.at < this.text.length) this.fail('there is something after the end');
    return value;
  }

  private value(depth: number): Json {
    if (depth > maxDepth) this.fail(`nested deeper than ${maxDepth} levels`);
    this.space();
    const next = this.text[this.at];
    if (next === '{') return this.object(depth);
    if (next === '[') return this.array(depth);
    if (next === '"') return this.string();
    for (const [word, value] of [['true', true], ['false', false], ['null', null]] as const) {
      if (this.text.startsWith(word, this.at)) {
        this.at += word.length;
        return value;
      }
    }
    return this.number();
  }

  private object(depth: number): JsonObject {
    const object = Object.create(null) as JsonObject;
    this.at++;
    if (this.next('}')) return object;
    do {
      this.space();
      if (this.text[this.at] !== '"') this.fail('a key in double quotes is missing');
      const key = this.string();
      if (key in object) this.fail(`the key ${JSON.stringify(key)} stands twice`);
      if (!this.next(':')) this.fail('a colon is missing');
      object[key] = this.value(depth + 1);
    } while (this.next(','));
    if (!this.next('}')) this.fail('a comma or a closing brace is missing');
    return object;
  }

  private array(depth: number): Json[] {
    const array: Json[] = [];
    this.at++;
    if (this.next(']')) return array;
    do array.push(this.value(depth + 1));
    while (this.next(','));
    if (!this.next(']')) this.fail('a comma or a closing bracket is missing');
    return array;
  }

  private string(): string {
    this.at++;
    let result = '';
    for (;;) {
      result += this.match(plainText)![0];
      const stop = this.text[this.at++];
      if (stop === '"') break;
      if (stop !== '\\') this.fail(stop === undefined ? 'a string does not end' : 'a control character in a string must be escaped');
      const kind = this.text[this.at++] ?? '';
      if (kind === 'u') {
        const hex = this.text.slice(this.at, this.at + 4);
        if (!/^[0-9a-fA-F]{4}$/.test(hex)) this.fail('\\u needs four hexadecimal digits');
        result += String.fromCharCode(parseInt(hex, 16));
        this.at += 4;
      } else {
        result += escapes[kind] ?? this.fail('an escape in a string is not known');
      }
    }
    if (!result.isWellFormed()) this.fail('a string holds half of a surrogate pair');
    return result;
  }

  private number(): number | bigint {
    const match = this.match(numberToken);
    if (match === null) this.fail(this.at < this.text.length ? 'a value was expected' : 'it ends too early');
    const [token, fraction, exponent] = match;
    // A longer one fits no field, and turning it into a bigint would cost time.
    if (fraction === undefined && exponent === undefined && token.length <= 24) return BigInt(token);
    return Number(token);
  }

  private next(character: string): boolean {
    this.space();
    if (this.text[this.at] !== character) return false;
    this.at++;
    return true;
  }

  private space(): void {
    this.match(whitespace);
  }

  private match(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = this.at;
    const match = pattern.exec(this.text);
    if (match !== null) this.at += match[0].length;
    return match;
  }

  private fail(what: string): never {
    throw new JsonSyntaxError(`${what} (at character ${Math.min(this.at, this.text.length) + 1})`);
  }
}
