import { isPlausible, isPlausiblePassword, isRandom } from './plausible.ts';
import type { SecretRule } from './rule.ts';

/** Lengths within which the lines of a key are looked for. */
const keyHeadChars = 400;

/** Secrets of standard forms: PEM keys, passwords in URLs. Their marks are in exact case. */
export const exactCredentials: readonly SecretRule[] = [
  {
    kind: 'private_key',
    marks: ['-----BEGIN '],
    pattern: /-----BEGIN (?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----/dy,
    // In a string the line ends are escapes; a PGP or an encrypted key has headers first.
    accept: (header, text, at) => /[A-Za-z0-9+/]{32}/.test(text.slice(at + header.length, at + header.length + keyHeadChars).split('-----END', 1)[0]!),
  },
  {
    // PuTTY's own form has no header of its private part but this line.
    kind: 'putty_key',
    marks: ['Private-Lines: '],
    pattern: /Private-Lines: \d{1,4}(?:\r?\n|\\n)(?<value>[A-Za-z0-9+/=]{4,64}(?:(?:\r?\n|\\n)[A-Za-z0-9+/=]{4,64}){0,300})(?=\r?\n|\\n|$)/dy,
    accept: (value) => /[A-Za-z0-9+/]{32}/.test(value),
  },
  {
    kind: 'url_password',
    marks: ['://'],
    pattern: /:\/\/[^\s:/?#@"'`<>()[\]]{0,80}:(?<value>[^\s/?#@"'`<>()[\]]{3,200})@(?!(?:[\w-]{1,60}\.)?example\.)[\w[$-]/dy,
    accept: (password, text, at) => isPlausiblePassword(password) && !text.startsWith(`${password}:`, at + 3),
  },
];

/** Those of HTTP headers, whose names are in any case. */
export const headerCredentials: readonly SecretRule[] = [
  {
    kind: 'basic_auth',
    marks: ['basic '],
    pattern: /(?<!\w)basic {1,3}(?<value>[A-Za-z0-9+/]{8,400}={0,2})(?![\w+/=-])/diy,
    accept(value) {
      const [, password] = /^[\x20-\x7e]+:([\x20-\x7e]{3,})$/.exec(Buffer.from(value, 'base64').toString('latin1')) ?? [];
      return password !== undefined && isPlausiblePassword(password);
    },
  },
  {
    kind: 'bearer_token',
    marks: ['bearer '],
    pattern: /(?<!\w)bearer {1,3}(?<value>[\w.~+/-]{16,2000}={0,2})(?![\w+/=-])/diy,
    accept: (value) => isPlausible(value) && isRandom(value),
  },
  {
    kind: 'bearer_token',
    marks: ['authorization'],
    pattern: /authorization["'`\]]{0,2}[ \t]{0,4}(?:=>|[:=,])[ \t]{0,4}["'`]?(?:(?:token|apikey|key) {1,3})?(?<value>[\w.~+/-]{16,2000}={0,2})(?![\w+/=-])/diy,
    accept: (value) => isPlausible(value) && isRandom(value),
  },
];
