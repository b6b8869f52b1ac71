import { entropy, isPlausible, isPlausiblePassword, isRandom } from './plausible.ts';

/** Parts of names whose values are secret. */
export const secretNames = ['secret', 'token', 'passw', 'passphrase', 'pwd', 'api_key', 'api-key', 'apikey', 'private_key', 'private-key', 'privatekey', 'access_key', 'access-key', 'accesskey', 'auth_key', 'authkey', 'signing_key', 'signingkey', 'encryption_key', 'encryptionkey', 'account_key', 'accountkey', 'credential'] as const;

/**
 * `name = "value"`, `"name": "value"`, `name => 'value'`, `#define NAME "value"`, `NAME=value` and `name: value` at the
 * end of a line or of a query's part. Tried where a part of the name begins. All runs are bounded.
 */
const pattern = /(?<name>[\w-]{3,60})["'`\]]{0,2}(?:[ \t]{0,4}(?::=|=>|[:=])[ \t]{0,4}|[ \t]{1,4}(?=["']))(?:[a-z]{0,2}(?<quote>["'`])(?<quoted>[^"'`\s\\]{8,400})\k<quote>|(?<plain>[\w+/-]{16,400}={0,2})(?=[\s,&]|$))/diy;
/** Names of what is about a secret and none itself: `token_url`, `password_hash`. */
const aboutSecret = /(?:hash|digest|sha\d*|md5|checksum|fingerprint|id|name|url|uri|path|file|type|kind|length|size|prefix|suffix|regex|pattern|field|header|label|param|endpoint|version|placeholder|arn|izer|ized?|limit|count|revision)$/i;
const awsName = /aws|secret[_-]?access/i;

export interface Assigned {
  kind: 'aws_secret_key' | 'assigned_secret' | 'assigned_password';
  start: number;
  end: number;
}

/** Reads the assignment whose name has a secret's part at `at`. @returns undefined when none is there, or no secret */
export function assignedSecret(text: string, at: number): Assigned | undefined {
  pattern.lastIndex = at;
  const match = pattern.exec(text);
  if (match === null) return undefined;
  const { name, quoted, plain } = match.groups as { name: string; quoted?: string; plain?: string };
  const value = quoted ?? plain!;
  const kind = secretKind(text.slice(Math.max(0, at - 24), at) + name, value, quoted !== undefined);
  if (kind === undefined) return undefined;
  const [start, end] = match.indices!.groups![quoted !== undefined ? 'quoted' : 'plain']!;
  return { kind, start, end };
}

function secretKind(name: string, value: string, quoted: boolean): Assigned['kind'] | undefined {
  if (aboutSecret.test(name) || /public/i.test(name)) return undefined;
  if (/^[A-Za-z0-9/+]{40}$/.test(value) && awsName.test(name) && isPlausible(value) && isRandom(value)) return 'aws_secret_key';
  if (!isPlausiblePassword(value)) return undefined;
  if (isRandom(value)) return 'assigned_secret';
  return quoted && /passw|passphrase|pwd/i.test(name) && isStrongPassword(value) ? 'assigned_password' : undefined;
}

/** Letters of both cases, digits and signs mixed, as nobody writes who only wants to show a password. */
function isStrongPassword(value: string): boolean {
  return value.length >= 10 && value.length <= 64 && [/[a-z]/, /[A-Z]/, /\d/, /[^\w.\-/]/].every((some) => some.test(value)) && entropy(value) >= 3;
}
