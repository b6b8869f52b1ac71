import { create } from '@bufbuild/protobuf';
import { parseDocument } from 'yaml';
import { invalid } from '../../core/errors.ts';
import { RetrainPolicySchema, type RetrainPolicy } from '../../core/gen/aiforge/v1/pipeline_pb.ts';
import { checkPolicy } from './policy.ts';

/** Names under which a repository may hold its settings. */
export const settingsFiles = ['.ai-forge.yml', '.ai-forge.yaml'] as const;

export const maxSettingsBytes = 65_536;

/** Far more than a file of these few keys needs; the parser goes down a level by recursion. */
const maxDepth = 20;
const retrainKeys = ['files_changed', 'commits', 'critical_paths', 'tags', 'max_age_hours'];

/**
 * Parses the settings that a repository brings. They are somebody else's data: no tags, few aliases, few levels,
 * and an unknown key is an error rather than a setting that silently does nothing.
 * @param name of the file, for errors
 * @param content its bytes, at most `maxSettingsBytes`
 * @returns undefined when it sets nothing
 * @throws ForgeError invalid_argument, with file, key and remedy
 */
export function parseSettings(name: string, content: Uint8Array): RetrainPolicy | undefined {
  const settings = record(parseYaml(name, content), name, 'the file');
  if (settings === undefined) return undefined;
  refuseUnknown(settings, ['retrain'], (key) => `${name}: ${key}`);
  const prefix = `${name}: retrain`;
  const retrain = record(settings['retrain'], prefix, 'retrain');
  if (retrain === undefined) return undefined;
  refuseUnknown(retrain, retrainKeys, (key) => `${prefix}.${key}`);
  const number = (key: string): number | undefined => {
    const value = retrain[key] ?? undefined;
    if (value !== undefined && typeof value !== 'number') throw invalid(`${prefix}.${key}`, `must be a number, not ${kind(value)}`);
    // A message can't hold the rest, and would say so in its own words.
    if (value !== undefined && key !== 'max_age_hours' && !(Number.isInteger(value) && value >= 1 && value <= 1_000_000)) throw invalid(`${prefix}.${key}`, 'must be a whole number from 1 to 1000000');
    return value;
  };
  const list = (key: string): string[] => {
    const value = retrain[key] ?? undefined;
    if (value === undefined) return [];
    if (!Array.isArray(value) || !value.every((glob) => typeof glob === 'string')) throw invalid(`${prefix}.${key}`, 'must be a list of globs, each a text; put quotes around one that begins with * or holds a colon');
    if (value.length === 0) throw invalid(`${prefix}.${key}`, 'must have at least one glob; leave the key out for the default');
    return value;
  };
  const policy = create(RetrainPolicySchema, {
    filesChanged: number('files_changed'),
    commits: number('commits'),
    criticalPaths: list('critical_paths'),
    tags: list('tags'),
    maxAgeHours: number('max_age_hours'),
  });
  checkPolicy(policy, prefix);
  return policy;
}

function parseYaml(name: string, content: Uint8Array): unknown {
  if (content.length > maxSettingsBytes) throw invalid(name, `has ${content.length} bytes; at most ${maxSettingsBytes} are read`);
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(content);
  } catch (cause) {
    throw invalid(name, 'must be UTF-8 text');
  }
  if (nesting(text) > maxDepth) throw invalid(name, `is nested deeper than ${maxDepth} levels`);
  const document = parseDocument(text, { version: '1.2', schema: 'core', resolveKnownTags: false, uniqueKeys: true, logLevel: 'error', prettyErrors: true });
  const problem = document.errors[0] ?? document.warnings[0];
  if (problem !== undefined) throw invalid(name, `is no valid YAML: ${(problem.message.split('\n')[0] ?? '').slice(0, 200)}`);
  try {
    return document.toJS({ maxAliasCount: 10 });
  } catch (error) {
    if (error instanceof ReferenceError) throw invalid(name, 'uses aliases too often; write the values out');
    throw error;
  }
}

/** No less than the depth of the document: brackets that may be open at once, and steps of indentation or `- - -`. */
function nesting(text: string): number {
  let open = 0;
  let deepest = 0;
  for (const line of text.split(/[\r\n]/)) {
    const start = /^[ \t]*(?:[-?:][ \t]+)*/.exec(line)![0];
    deepest = Math.max(deepest, start.length / 2 - 40, (start.match(/[-?:]/g) ?? []).length);
    for (const character of line) {
      if (character === '[' || character === '{') deepest = Math.max(deepest, (open += 1));
      else if ((character === ']' || character === '}') && open > 0) open -= 1;
    }
  }
  return deepest;
}

function record(value: unknown, field: string, what: string): Record<string, unknown> | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'object' || Array.isArray(value)) throw invalid(field, `${what} must be a mapping of keys to values, not ${kind(value)}`);
  return value as Record<string, unknown>;
}

function refuseUnknown(value: Record<string, unknown>, known: readonly string[], field: (key: string) => string): void {
  const key = Object.keys(value).find((name) => !known.includes(name));
  if (key !== undefined) throw invalid(field(key.slice(0, 100)), `is not a known key; known: ${known.join(', ')}`);
}

function kind(value: unknown): string {
  return Array.isArray(value) ? 'a list' : value === null ? 'nothing' : typeof value === 'object' ? 'a mapping' : `a ${typeof value === 'string' ? 'text' : typeof value}`;
}
