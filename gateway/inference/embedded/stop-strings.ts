/** Cuts a text that comes in pieces at the first stop string, which itself is never given out. */
export class StopStrings {
  private readonly stops: readonly string[];
  private held = '';
  hit = false;

  constructor(stops: readonly string[]) {
    this.stops = stops.filter((stop) => stop !== '');
  }

  /** @returns what is sure not to belong to a stop string */
  push(text: string): string {
    if (this.hit) return '';
    this.held += text;
    const cuts = this.stops.map((stop) => this.held.indexOf(stop)).filter((at) => at >= 0);
    if (cuts.length > 0) {
      this.hit = true;
      return this.held.slice(0, Math.min(...cuts));
    }
    return this.release(this.held.length - this.mayBeginStop());
  }

  /** What was held back, once nothing more comes. */
  end(): string {
    return this.hit ? '' : this.release(this.held.length);
  }

  private release(length: number): string {
    const text = this.held.slice(0, length);
    this.held = this.held.slice(length);
    return text;
  }

  /** Length of the longest end of the held text that a stop string begins with. */
  private mayBeginStop(): number {
    let longest = 0;
    for (const stop of this.stops) {
      for (let length = Math.min(stop.length - 1, this.held.length); length > longest; length--) {
        if (this.held.endsWith(stop.slice(0, length))) longest = length;
      }
    }
    return longest;
  }
}
