import { createHash } from 'node:crypto';

export interface ChatMessage {
  role: 'system' | 'user' | 'assistant';
  content: string;
}

export interface ChatRow {
  messages: ChatMessage[];
  /** From 1. */
  line: number;
}

const roles: readonly unknown[] = ['system', 'user', 'assistant'];
const maxMessages = 256;
const foreignKeys = ['tools', 'functions', 'input', 'preferred_output', 'non_preferred_output'];

/**
 * Reads one line of a training file: `{"messages": [{"role", "content"}, ...]}`, where an optional system message is
 * first, at least one user message follows, and an assistant message is last. Other keys are not carried over, but for
 * those that ask for another training, which are refused.
 * @returns what is wrong, as text, when it is no such row
 */
export function parseChatRow(text: string, line: number): ChatRow | string {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return 'is not JSON; write one JSON object a line';
  }
  if (!isObject(value)) return 'must be a JSON object';
  if (value['messages'] === undefined && value['prompt'] !== undefined) return 'is in prompt/completion form, which is not supported; write {"messages": [{"role", "content"}, ...]}';
  const foreign = foreignKeys.find((key) => value[key] !== undefined);
  if (foreign !== undefined) return `"${foreign}" is not supported: models are trained on plain conversations alone`;
  const { messages } = value;
  if (!Array.isArray(messages)) return '"messages" must be a list of {"role", "content"}';
  if (messages.length < 2 || messages.length > maxMessages) return `"messages" must hold 2 to ${maxMessages} messages, not ${messages.length}`;
  const taken: ChatMessage[] = [];
  for (const [index, message] of messages.entries()) {
    const problem = messageProblem(message, index);
    if (problem !== undefined) return `messages[${index}]: ${problem}`;
    taken.push({ role: message.role, content: message.content });
  }
  if (!taken.some(({ role }) => role === 'user')) return '"messages" has no user message';
  if (taken.at(-1)!.role !== 'assistant') return `the last message must be the assistant's, not the ${taken.at(-1)!.role}'s`;
  if (messages.at(-1).weight === 0) return 'the last message has weight 0, but it is the one that is trained on; leave the line out';
  return { messages: taken, line };
}

function messageProblem(message: unknown, index: number): string | undefined {
  if (!isObject(message)) return 'must be an object with "role" and "content"';
  if (!roles.includes(message['role'])) return `"role" must be system, user or assistant, not ${String(JSON.stringify(message['role'])).slice(0, 40)}`;
  if (message['role'] === 'system' && index > 0) return 'a system message can only be the first';
  if (typeof message['content'] !== 'string' || message['content'].trim() === '') return '"content" must be text that is not empty';
  return undefined;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Equal for equal rows. */
export function rowKey(row: ChatRow): string {
  return createHash('sha256').update(JSON.stringify(row.messages)).digest('base64');
}

/** Equal for rows that ask the same, whatever the last answer is. */
export function promptKey(row: ChatRow): string {
  return createHash('sha256').update(JSON.stringify(row.messages.slice(0, -1))).digest('base64');
}
