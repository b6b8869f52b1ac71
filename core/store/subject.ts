/**
 * `forge.<aggregate>.<id>`. Dots in an id are token separators and stay (`job_1.export`); other characters that NATS
 * gives a meaning to, and empty tokens, are written as `=XX` (UTF-8 bytes in hex).
 */
export function subjectOf(aggregate: string, id: string): string {
  return `forge.${aggregate}.${id.split('.').map(escapeToken).join('.')}`;
}

/** Nothing in it is escaped: as nearly all subjects are. */
const plainSubject = /^forge\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*)$/;

/** @throws RangeError for what is no subject of an aggregate */
export function parseSubject(subject: string): { aggregate: string; id: string } {
  const plain = plainSubject.exec(subject);
  if (plain !== null) return { aggregate: plain[1]!, id: plain[2]! };
  const [root, aggregate, ...tokens] = subject.split('.');
  if (root !== 'forge' || aggregate === undefined || tokens.length === 0) throw new RangeError(`"${subject}" is no subject of an aggregate`);
  return { aggregate, id: tokens.map(unescapeToken).join('.') };
}

/** Whether an aggregate's subject is written as `subjectOf` writes it. Another way to write it is another subject to NATS. */
export function isCanonical(subject: string, { aggregate, id }: { aggregate: string; id: string }): boolean {
  return plainSubject.test(subject) || subjectOf(aggregate, id) === subject;
}

/** The aggregate of a message that could be read in nothing else; undefined when its subject is no aggregate's. */
export function aggregateOf(subject: string): { aggregate: string; id: string } | undefined {
  try {
    return parseSubject(subject);
  } catch {
    return undefined;
  }
}

function escapeToken(token: string): string {
  if (token === '') return '=';
  return token.replace(/[^A-Za-z0-9_-]/gu, (char) => [...Buffer.from(char)].map((byte) => `=${byte.toString(16).padStart(2, '0')}`).join(''));
}

function unescapeToken(token: string): string {
  if (token === '=') return '';
  return Buffer.from(token.replace(/=([0-9a-f]{2})/g, '%$1').replace(/%([0-9a-f]{2})/g, (_all, hex: string) => String.fromCharCode(parseInt(hex, 16))), 'latin1').toString('utf8');
}
