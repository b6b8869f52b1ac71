import { ForgeError } from '../../core/errors.ts';
import type { TemplateMessage } from './export-record.ts';

export type Role = 'system' | 'user' | 'assistant';
/** Where a piece of fixed text stands: after what, and before what. */
export type From = 'start' | Role;
export type To = Role | 'end';

/** The fixed texts of a chat template, by what they stand between, in conversations with and without a system message first. */
export interface TemplateTable {
  withSystem: ReadonlyMap<string, string>;
  withoutSystem: ReadonlyMap<string, string>;
}

export const between = (from: From, to: To): string => `${from}>${to}`;

/** Conversations by the roles' first letters. */
const required = ['ua', 'uau', 'uauau', 'u'];
const requiredWithSystem = ['su', 'sua', 'suau', 'suauau'];
const optional = ['a', 'au', 'uasu', 'us', 'ausa', 'uusu', 's', 'sa', 'sau', 'suasu', 'sus'];
const roles: Record<string, Role> = { s: 'system', u: 'user', a: 'assistant' };

/**
 * Finds the fixed texts of a chat template by rendering conversations whose contents can be found again.
 * This holds for templates in which the text between two messages depends on their two roles only (and on whether a
 * system message came first); the conversations are long enough to notice one that is different, which is refused.
 * @param render the template, with the generation prompt
 * @throws ForgeError wrong_state
 */
export function probeTemplate(render: (messages: TemplateMessage[]) => string): TemplateTable {
  const table = { withSystem: new Map<string, string>(), withoutSystem: new Map<string, string>() };
  for (const conversation of required) learn(table.withoutSystem, conversation, split(render, conversation), true);
  // Some templates know no system role: what they refuse stays refused.
  const knowsSystem = attempt(() => split(render, 'su')) !== undefined;
  if (knowsSystem) for (const conversation of requiredWithSystem) learn(table.withSystem, conversation, split(render, conversation), true);
  for (const conversation of optional) {
    const texts = attempt(() => split(render, conversation));
    if (texts !== undefined) learn(conversation.startsWith('s') ? table.withSystem : table.withoutSystem, conversation, texts, false);
  }
  return table;
}

/** @param strict what differs from what is known already is an error; else it is left as it is known */
function learn(known: Map<string, string>, conversation: string, texts: string[], strict: boolean): void {
  const places = ['start', ...[...conversation].map((letter) => roles[letter]!), 'end'] as [From, ...Role[], To];
  for (const [index, text] of texts.entries()) {
    const key = between(places[index] as From, places[index + 1] as To);
    const before = known.get(key);
    if (before === undefined) known.set(key, text);
    else if (strict && before !== text) {
      throw new ForgeError('wrong_state', `The chat template can't be carried over to Ollama: between ${key.replace('>', ' and ')} it once writes ${JSON.stringify(before)} and once ${JSON.stringify(text)}. Use the embedded engine (FORGE_INFERENCE=embedded)`);
    }
  }
}

/** The fixed texts around the contents of one conversation. */
function split(render: (messages: TemplateMessage[]) => string, conversation: string): string[] {
  const messages = [...conversation].map((letter, index) => ({ role: roles[letter]!, content: `Zq${index}content${index}qZ` }));
  let rest = render(messages);
  const texts: string[] = [];
  for (const { role, content } of messages) {
    const parts = rest.split(content);
    if (parts.length !== 2) throw new ForgeError('wrong_state', `The chat template can't be carried over to Ollama: it writes the ${role} message ${parts.length - 1} times. Use the embedded engine (FORGE_INFERENCE=embedded)`);
    texts.push(parts[0]!);
    rest = parts[1]!;
  }
  return [...texts, rest];
}

function attempt<T>(run: () => T): T | undefined {
  try {
    return run();
  } catch {
    return undefined;
  }
}
