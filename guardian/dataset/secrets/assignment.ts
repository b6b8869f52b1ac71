import { isPlausible, isPlausiblePassword, isRandom, isStrongPassword } from './plausible.ts';

/** Parts of names whose values are secret. */
export const secretNames = ['secret', 'token', 'passw', 'passphrase', 'pwd', 'api_key', 'api-key', 'apikey', 'private_key', 'private-key', 'privatekey', 'access_key', 'access-key', 'accesskey', 'auth_key', 'authkey', 'signing_key', 'signingkey', 'encryption_key', 'encryptionkey', 'account_key', 'accountkey', 'credential'] as const;
/** Words that name a secret only where they stand alone or at a name's end, before a value. */
export const secretWords = /(?<![a-z])(?:key|auth|pass|sig)(?=["'`\]]{0,2}(?:[ \t]{0,4}[:=>]|["'] value=))/.source;

/** What may stand between a name and its value; the value may be on the next line, in brackets or folded. */
const between = /["'`\]]{0,2}(?:[ \t]{0,4}(?::=|=>|[:=])[ \t]{0,4}(?:[([|>\\]-?[ \t]{0,4})?(?<below>\r?\n[ \t]{0,40})?|[ \t]{1,4}(?=["'])|>[ \t]{0,4}| value=)/.source;
/** `"value"`, also behind a word such as `token `; up to a query's next part; up to the end of the line, of a tag, of a connection's part. */
const values = [
  /[a-z]{0,2}(?<quote>["'`])(?:(?:token|bearer|apikey) )?(?<quoted>(?:(?!\k<quote>)[!-~]){8,400})\k<quote>/,
  /(?<plain>[\w+/-]{16,400}={0,2})(?=[\s,&]|$)/,
  /(?<rest>[^\s"'`<>;]{8,200})/,
].map(({ source }) => source).join('|');
/** Tried where the part of the name begins. All runs are bounded. */
const pattern = new RegExp(`(?<name>[\\w-]{3,60})${between}(?:${values})`, 'iy');
/** What may follow a value without quotes. Asked once, since a pattern would ask again for each shorter value. */
const restEnd = /[ \t]{0,80}(?:[\r\n;"'`]|<\/|$)/y;
/** `machine host login name password value`, on one line or several. */
const netrc = /password[ \t\r\n]{1,8}(?<value>[!-~]{8,200})(?=\s|$)/dy;
const netrcLogin = /\blogin\s{1,8}[!-~]{1,100}\s{1,8}$/;

/** Names of what is about a secret and none itself: `token_url`, `password_hash`. */
const aboutSecret = /(?:hash|digest|sha\d*|md5|checksum|fingerprint|name|url|uri|path|file|type|kind|length|size|prefix|suffix|regex|pattern|field|header|label|param|endpoint|version|placeholder|arn|izer|ized?|limit|count|revision)$/i;
const awsName = /aws|secret[_-]?access/i;
const passwordName = /passw|passphrase|pwd|(?:^|[^a-z])pass$/i;
/** Names that are given to much else; what they name has to be longer to be taken for a secret. */
const looseName = /^(?:key|auth|pass|sig)$|(?:id|key)$/i;
const tightKey = /(?:api|private|access|auth|signing|encryption|account|secret)[_-]?key$/i;
const looseChars = 32;

export interface Assigned {
  kind: 'aws_secret_key' | 'assigned_secret' | 'assigned_password';
  start: number;
  end: number;
}

/** Reads the assignment whose name has a secret's part at `at`. @returns undefined when none is there, or no secret */
export function assignedSecret(text: string, at: number): Assigned | undefined {
  pattern.lastIndex = at;
  const match = pattern.exec(text);
  if (match === null) return netrcPassword(text, at);
  const { name, quoted, plain, rest, below } = match.groups as { name: string; quoted?: string; plain?: string; rest?: string; below?: string };
  const [group, given] = quoted !== undefined ? ['quoted', quoted] : plain !== undefined ? ['plain', plain] : ['rest', rest!.replace(/[,)]+$/, '')];
  // Without quotes and below its name it could be the next statement.
  if (group === 'rest' && (below !== undefined || !endsAt(text, pattern.lastIndex) || isCode(given))) return undefined;
  const kind = secretKind(text.slice(Math.max(0, at - 24), at), name, given, group !== 'plain');
  if (kind === undefined) return undefined;
  // The match ends with its value, and the quote behind one in quotes; asking the pattern for places costs at every name.
  const start = pattern.lastIndex - (quoted !== undefined ? 1 : 0) - (quoted ?? plain ?? rest!).length;
  return { kind, start, end: start + given.length };
}

function netrcPassword(text: string, at: number): Assigned | undefined {
  netrc.lastIndex = at;
  const match = netrc.exec(text);
  const value = match?.groups!['value'];
  if (value === undefined || !netrcLogin.test(text.slice(Math.max(0, at - 120), at))) return undefined;
  if (!isPlausiblePassword(value) || !(isRandom(value) || isStrongPassword(value))) return undefined;
  const [start, end] = match!.indices!.groups!['value']!;
  return { kind: 'assigned_password', start, end };
}

function secretKind(before: string, name: string, value: string, mayBePassword: boolean): Assigned['kind'] | undefined {
  const whole = before + name;
  if (aboutSecret.test(name) || /public/i.test(whole)) return undefined;
  if (/^[A-Za-z0-9/+]{40}$/.test(value) && awsName.test(whole) && isPlausible(value) && isRandom(value)) return 'aws_secret_key';
  if (!isPlausiblePassword(value)) return undefined;
  const isLoose = looseName.test(name) && !tightKey.test(name);
  if (isRandom(value) && (!isLoose || value.length >= looseChars)) return 'assigned_secret';
  return mayBePassword && passwordName.test(name) && isStrongPassword(value) ? 'assigned_password' : undefined;
}

function endsAt(text: string, at: number): boolean {
  restEnd.lastIndex = at;
  return restEnd.test(text);
}

/** Calls, members and operators; a password without quotes may have any one of their signs, but seldom where code has it. */
function isCode(value: string): boolean {
  return /^[([{@&|*]|\w[([{]|[)\]}]$|->|=>|::|&&|\|\||[=!<>]=|\w\.\w|\$\w/.test(value);
}
