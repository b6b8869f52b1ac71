import { assignedSecret, secretNames, secretWords } from './assignment.ts';
import { exactCredentials, headerCredentials } from './credentials.ts';
import type { SecretFinding, SecretRule } from './rule.ts';
import { vendorTokens } from './vendor-tokens.ts';

export type { SecretFinding } from './rule.ts';

/** All kinds that are looked for. */
export const secretKinds: readonly string[] = [...new Set([...vendorTokens, ...exactCredentials, ...headerCredentials].map(({ kind }) => kind)), 'aws_secret_key', 'assigned_secret', 'assigned_password'];

const exactRules = byMark([...vendorTokens, ...exactCredentials]);
const headerRules = byMark(headerCredentials);
const exactMarks = new RegExp(anyOf([...exactRules.keys()]), 'g');
const namedMarks = new RegExp(`${anyOf([...headerRules.keys(), ...secretNames])}|${secretWords}`, 'gi');

/**
 * Finds what looks like a secret: tokens of known form, private keys, passwords in URLs and headers, and values that
 * look random and are assigned to a name such as `api_key`. Stand-ins and values read from elsewhere are passed over.
 * Time is linear in the text's length.
 * @returns disjoint findings in order; never the values themselves
 */
export function findSecrets(text: string): SecretFinding[] {
  const findings: SecretFinding[] = [];
  scan(text, exactMarks, (mark, at) => tryRules(exactRules.get(mark)!, text, at), findings);
  scan(text, namedMarks, (mark, at) => {
    const rules = headerRules.get(mark.toLowerCase());
    return rules === undefined ? assignedSecret(text, at) : tryRules(rules, text, at);
  }, findings);
  findings.sort((a, b) => a.start - b.start || b.end - a.end);
  // One secret may have two forms (a token in a URL): of those that overlap, the first to begin counts.
  let end = 0;
  return findings.filter((finding) => {
    if (finding.start < end) return false;
    end = finding.end;
    return true;
  });
}

/** Asks at each mark; after a finding it goes on behind it. */
function scan(text: string, marks: RegExp, ask: (mark: string, at: number) => SecretFinding | undefined, findings: SecretFinding[]): void {
  marks.lastIndex = 0;
  for (let match = marks.exec(text); match !== null; match = marks.exec(text)) {
    const finding = ask(match[0], match.index);
    if (finding === undefined) continue;
    findings.push(finding);
    marks.lastIndex = Math.max(marks.lastIndex, finding.end);
  }
}

function tryRules(rules: readonly SecretRule[], text: string, at: number): SecretFinding | undefined {
  for (const { kind, pattern, accept } of rules) {
    pattern.lastIndex = at;
    const match = pattern.exec(text);
    if (match === null || !accept(match.groups?.['value'] ?? match[0], text, at)) continue;
    const [start, end] = match.indices!.groups?.['value'] ?? match.indices![0]!;
    return { kind, start, end };
  }
  return undefined;
}

function byMark(rules: readonly SecretRule[]): Map<string, SecretRule[]> {
  const marks = new Map<string, SecretRule[]>();
  for (const rule of rules) for (const mark of rule.marks) marks.set(mark, [...(marks.get(mark) ?? []), rule]);
  return marks;
}

/** Longer marks first, so that `sk-ant-` is not taken for `sk-`. */
function anyOf(marks: readonly string[]): string {
  const sorted = marks.toSorted((a, b) => b.length - a.length || (a < b ? -1 : 1));
  return sorted.map((mark) => mark.replace(/[.*+?^${}()|[\]\\/-]/g, '\\$&')).join('|');
}
