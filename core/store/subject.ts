/**
 * `forge.<aggregate>.<id>`. Dots in an id are token separators and stay (`job_1.export`); other characters that NATS
 * gives a meaning to, and empty tokens, are written as `=XX` (UTF-8 bytes in hex).
 */
export function subjectOf(aggregate: string, id: string): string {
  return `forge.${aggregate}.${id.split('.').map(escapeToken).join('.')}`;
}

export function parseSubject(subject: string): { aggregate: string; id: string } {
  const [root, aggregate, ...tokens] = subject.split('.');
  if (root !== 'forge' || aggregate === undefined || tokens.length === 0) throw new RangeError(`"${subject}" is no subject of an aggregate`);
  return { aggregate, id: tokens.map(unescapeToken).join('.') };
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
