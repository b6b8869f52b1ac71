/**
 * Loaded with `--import` before a service: its wall clock goes ahead by the milliseconds that the file SHIFTED_CLOCK_FILE
 * holds, which a test writes. The monotonic clock stays, as it does where somebody sets a machine's time.
 */
import { readFileSync, watchFile } from 'node:fs';

const file = process.env.SHIFTED_CLOCK_FILE;
let aheadMs = 0;
const read = () => {
  try {
    aheadMs = Number(readFileSync(file, 'utf8')) || 0;
  } catch {
    aheadMs = 0;
  }
};
read();
watchFile(file, { interval: 250, persistent: false }, read);

const RealDate = Date;
const now = () => RealDate.now() + aheadMs;
globalThis.Date = class Date extends RealDate {
  constructor(...args) {
    if (args.length === 0) super(now());
    else super(...args);
  }
  static now = now;
};
