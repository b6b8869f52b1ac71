/** Words that say that a value is a stand-in. */
const standIn = /example|x{4}|\*{3}|\.{3}|placeholder|redacted|your[_-]|yourt|yourk|yours|0{8}|0123456789|1234567890|abcdefgh|deadbeef/i;
/** The same where people choose the value themselves, in settings and tests. */
const plainStandIn = /change[_-]?me|dummy|sample|fake|mock|test|secret|passw|foo|bar|hello|insert|replace|todo|fixme|invalid|12345|qwert|^(?:user|username|token|admin|root|guest|postgres|mysql|rabbit(?:mq)?|redis|mongo|pass|pwd|pw|none|null|true|false|undefined)$/i;
/** Text that a program fills in, or an expression that reads the value elsewhere. */
const filledIn = /^<|>$|^\$\w|\$[{(]|\{\{|^\{.*\}$|%[(sd{]|#\{|process\.env|environ|getenv|\benv\b/i;

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

/** Whether a value of the hexadecimal or a base64 alphabet looks random: entropy, digits among letters, no words. */
export function isRandom(value: string): boolean {
  const bare = value.replace(/=+$/, '');
  if (uuid.test(bare) || /^\d+$/.test(bare)) return false;
  if (/^[0-9a-f]+$/i.test(bare)) return bare.length >= 16 && entropy(bare) >= hexBits;
  if (bare.length < 16 || !/^[\w+/.~-]+$/.test(bare) || !/\d/.test(bare) || !/[A-Za-z]/.test(bare)) return false;
  const bits = entropy(bare);
  return bits >= base64Bits && !(bits < wordlessBits && isWords(bare));
}

/** Names made of words (`refreshTokenV2_endpoint`): long runs of letters of one case, few digits, vowels among them. */
function isWords(value: string): boolean {
  if (/[bcdfghjklmnpqrstvwxz]{5}/i.test(value) || (value.match(/[a-z]\d+(?=[a-z])/gi)?.length ?? 0) > 2) return false;
  const runs = value.match(/[A-Z]?[a-z]+|[A-Z]+/g) ?? [];
  const letters = runs.reduce((sum, run) => sum + run.length, 0);
  const digits = value.match(/\d/g)?.length ?? 0;
  return letters / runs.length >= 3.5 && digits <= value.length / 5;
}
