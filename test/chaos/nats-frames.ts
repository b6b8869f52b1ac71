/** Cuts what a NATS client sends into its operations, each whole: `PUB` and `HPUB` with their payload, else one line. */
export class NatsFrames {
  #rest: Buffer = Buffer.alloc(0);

  /** @returns the operations that are complete now */
  push(chunk: Buffer): Buffer[] {
    this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    const frames: Buffer[] = [];
    for (;;) {
      const line = this.#rest.indexOf('\r\n');
      if (line === -1) return frames;
      const length = line + 2 + payloadBytes(this.#rest.subarray(0, line));
      if (this.#rest.length < length) return frames;
      frames.push(this.#rest.subarray(0, length));
      this.#rest = this.#rest.subarray(length);
    }
  }
}

/** Of the payload and its line end. */
function payloadBytes(line: Buffer): number {
  if (!/^H?PUB /i.test(line.toString('latin1', 0, 5))) return 0;
  return Number(line.toString('latin1').trimEnd().split(/\s+/).at(-1)) + 2;
}

/** The subject that an operation publishes to; undefined for any other. */
export function publishedTo(frame: Buffer): string | undefined {
  return /^H?PUB\s+(\S+)/i.exec(frame.toString('latin1', 0, Math.min(frame.length, 512)))?.[1];
}
