const quote = 0x22, backslash = 0x5c, openBrace = 0x7b, closeBrace = 0x7d, openBracket = 0x5b, closeBracket = 0x5d, colon = 0x3a, comma = 0x2c;

/** What one byte of a JSON text ended or began, as far as top-level members matter. */
export type JsonMark = 'none' | 'object-open' | 'key-start' | 'key-end' | 'string-start' | 'string-end' | 'closed';

/**
 * Follows a JSON object byte by byte, over any number of chunks, in constant memory.
 * It reports only keys and string values of the outermost object, and of those inside it that were entered.
 * It trusts that the text is JSON (RFC 8259): structure bytes are ASCII, so UTF-8 needs no decoding.
 */
export class JsonScan {
  private depth = 0;
  /** Depth of the object whose members are reported. */
  private reported = 1;
  private entering = false;
  private inString = false;
  private escaped = false;
  private expectKey = false;
  private inKey = false;

  /** To be called at a key's end: if its value is an object, that one's members are reported until it is closed. */
  enter(): void {
    this.entering = true;
  }

  push(byte: number): JsonMark {
    if (this.inString) return this.inside(byte);
    if (byte === quote) {
      this.inString = true;
      this.entering = false;
      if (this.depth !== this.reported) return 'none';
      this.inKey = this.expectKey;
      return this.inKey ? 'key-start' : 'string-start';
    }
    if (byte === openBrace || byte === openBracket) {
      this.depth++;
      if (this.entering && byte === openBrace) this.reported = this.depth;
      this.entering = false;
      if (this.depth > this.reported) return 'none';
      this.expectKey = byte === openBrace;
      return byte === openBrace && this.depth === 1 ? 'object-open' : 'none';
    }
    if (byte === closeBrace || byte === closeBracket) return this.close();
    if (this.depth === this.reported && byte === colon) this.expectKey = false;
    if (this.depth === this.reported && byte === comma) {
      this.expectKey = true;
      this.entering = false;
    }
    return 'none';
  }

  private close(): JsonMark {
    this.entering = false;
    this.depth--;
    if (this.depth < this.reported && this.depth > 0) this.reported = this.depth;
    return this.depth === 0 ? 'closed' : 'none';
  }

  /**
   * Skips to the end of the string that the scan is in, for texts that are whole in memory.
   * @returns the place of the byte before its closing quote; `at` when the scan is in no string
   */
  skipString(bytes: Buffer, at: number): number {
    if (!this.inString) return at;
    for (let end = bytes.indexOf(quote, at + 1); end >= 0; end = bytes.indexOf(quote, end + 1)) {
      let backslashes = 0;
      while (bytes[end - 1 - backslashes] === backslash) backslashes++;
      if (backslashes % 2 === 0) return end - 1;
    }
    return at;
  }

  private inside(byte: number): JsonMark {
    if (this.escaped) this.escaped = false;
    else if (byte === backslash) this.escaped = true;
    else if (byte === quote) {
      this.inString = false;
      if (this.depth !== this.reported) return 'none';
      const mark = this.inKey ? 'key-end' : 'string-end';
      this.inKey = false;
      return mark;
    }
    return 'none';
  }
}

/** Whether a key, with its quotes, is that name of plain letters. It is parsed, not only compared: it may be written with \\u escapes. */
export function isKey(key: Uint8Array, name: string): boolean {
  if (key.length === name.length + 2) return Buffer.from(key.buffer, key.byteOffset + 1, name.length).toString('latin1') === name;
  if (key.length < name.length + 2 || !key.includes(backslash)) return false;
  try {
    return JSON.parse(Buffer.from(key).toString()) === name;
  } catch {
    // A backend's text that is no JSON is not ours to mend.
    return false;
  }
}
