/** Words that say that a value is a stand-in. */
const standIn = /example|x{4}|\*{3}|\.{3}|placeholder|redacted|your[_-]|yourt|yourk|yours|0{8}|0123456789|1234567890|abcdefgh|deadbeef/i;
/** The same where people choose the value themselves, in settings and tests. */
const plainStandIn = /change[_-]?me|dummy|sample|fake|mock|test|secret|passw|foo|bar|hello|insert|replace|todo|fixme|invalid|12345|qwert|^(?:user|username|token|admin|root|guest|postgres|mysql|rabbit(?:mq)?|redis|mongo|pass|pwd|pw|none|null|true|false|undefined)$/i;
/** Text that a program fills in, an expression that reads the value elsewhere, or one that describes values. */
const filledIn = /^<|>$|^\$[A-Za-z_]{3}|\$\{|\$\([A-Za-z_]{3}|\{\{|^\{.*\}$|%\([A-Za-z_]{3}|%[sd](?![\w!-/])|%\{|#\{|[Aa]-[Zz]|0-9|process\.env|environ|getenv|\benv\b/i;

/**
 * Shannon entropy of a text's characters (Shannon, "A mathematical theory of communication", 1948), in bits each:
 * the sum of -p log2 p over the share p of each character.
 */
export function entropy(text: string): number {
  const counts = new Map<string, number>();
  for (const character of text) counts.set(character, (counts.get(character) ?? 0) + 1);
  let bits = 0;
  for (const count of counts.values()) bits -= (count / text.length) * Math.log2(count / text.length);
  return bits;
}

/** Whether a value of a known form is none that documentation shows. */
export function isPlausible(value: string): boolean {
  return !standIn.test(value) && !filledIn.test(value) && new Set(value).size >= Math.min(8, value.length / 2);
}

/** Whether a password that somebody chose is a real one, as far as can be told. */
export function isPlausiblePassword(value: string): boolean {
  return isPlausible(value) && !plainStandIn.test(value);
}

/** Bits a character over which a value is taken for random. */
const hexBits = 3;
const base64Bits = 3.5;
/** A random text of this many bits has no words in it, whatever it looks like. */
const wordlessBits = 4.2;
const uuid = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** How often two characters that follow each other are of different classes, in random text 0.6 of the time. */
const mixedShare = 0.42;
/** What Django puts before the key that it makes for a new project. */
const knownPrefix = /^django-insecure-/;

/**
 * Whether a value looks random: entropy, digits among letters, no words. In hexadecimal or a base64 alphabet that is
 * enough; among other signs, which expressions and paths have too, letters, digits and signs must also be well mixed.
 */
export function isRandom(value: string): boolean {
  const bare = value.replace(knownPrefix, '').replace(/=+$/, '');
  if (uuid.test(bare) || /^\d+$/.test(bare)) return false;
  if (/^[0-9a-f]+$/i.test(bare)) return bare.length >= 16 && entropy(bare) >= hexBits;
  if (bare.length < 16 || !/\d/.test(bare) || !/[A-Za-z]/.test(bare)) return false;
  const bits = entropy(bare);
  if (bits < base64Bits || (bits < wordlessBits && isWords(bare))) return false;
  return /^[\w+/.~-]+$/.test(bare) || (/^[!-[\]-~]+$/.test(bare) && mixing(bare) >= mixedShare);
}

/** Letters of both cases, digits and signs mixed, as nobody writes who only wants to show a password. */
export function isStrongPassword(value: string): boolean {
  return value.length >= 10 && value.length <= 64 && [/[a-z]/, /[A-Z]/, /\d/, /[^\w.\-/]/].every((some) => some.test(value)) && entropy(value) >= 3;
}

function mixing(value: string): number {
  const classes = [...value].map((sign) => (/[a-z]/.test(sign) ? 0 : /[A-Z]/.test(sign) ? 1 : /\d/.test(sign) ? 2 : 3));
  return classes.filter((one, at) => at > 0 && one !== classes[at - 1]).length / (classes.length - 1);
}

/** Names made of words (`refreshTokenV2_endpoint`): long runs of letters of one case, few digits, vowels among them. */
function isWords(value: string): boolean {
  if (/[bcdfghjklmnpqrstvwxz]{5}/i.test(value) || (value.match(/[a-z]\d+(?=[a-z])/gi)?.length ?? 0) > 2) return false;
  const runs = value.match(/[A-Z]?[a-z]+|[A-Z]+/g) ?? [];
  const letters = runs.reduce((sum, run) => sum + run.length, 0);
  const digits = value.match(/\d/g)?.length ?? 0;
  return letters / runs.length >= 3.5 && digits <= value.length / 5;
}
